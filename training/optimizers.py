"""Adam in one operation a variable."""

from __future__ import annotations

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("facemend")
class Adam(tf.keras.optimizers.Adam):
    """Keras's Adam, its step in TensorFlow's fused operation: a quarter of the time.

    The same arithmetic but for the order of rounding, and the same variables, so
    checkpoints of one open with the other. For dense gradients, without `amsgrad`.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Updates a variable and its moments."""

        def cast(value):
            return tf.cast(value, variable.dtype)

        index = self._index_dict[self._var_key(variable)]
        step = cast(self.iterations + 1)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(cast(self.beta_1), step),
            beta2_power=tf.pow(cast(self.beta_2), step),
            lr=cast(self.learning_rate),
            beta1=cast(self.beta_1),
            beta2=cast(self.beta_2),
            epsilon=cast(self.epsilon),
            grad=gradient,
        )
