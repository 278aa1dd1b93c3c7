"""The trainer of the pyramid CGAN: Algorithm 1 of Chen, Ji & Zhang, in three phases."""

from __future__ import annotations

import enum
from collections.abc import Callable

import tensorflow as tf

from models import holes
from training import losses
from training.trainer import Losses, Trainer, WeightAverage, total


class Phase(enum.Enum):
    """The networks that learn: the generator, the two judges, or all three."""

    ALONE = "the generator alone"
    JUDGES = "the discriminator and the classifier"
    JOINT = "all networks jointly"


def phase_at(step: int, generator_steps: int, discriminator_steps: int) -> Phase:
    """The phase of an iteration, t in Algorithm 1, counted from 0, by T_g and T_d."""
    if step < generator_steps:
        return Phase.ALONE
    # As printed: the joint phase begins after T_g + T_d, not at it.
    if step <= generator_steps + discriminator_steps:
        return Phase.JUDGES
    return Phase.JOINT


class PyramidTrainer(Trainer):
    """Trains a generator, a discriminator and a classifier by Algorithm 1.

    The iteration decides the phase. Each phase has a compiled step of its own, without
    the networks that it does not need. Equations 2 to 5 are log-likelihoods to be
    maximized; their negatives are minimized here.

    A batch is (inputs, target): inputs of the generator, with the hole M_g in "mask";
    target {"image": [B, S, S, 3], "mask": [B, S, S, 1], the hole M_d around which the
    discriminator sees the real image, "labels": of the classifier, if there is one}.

    Args:
      generator: inputs -> image with known pixels as they were, float32.
      discriminator: {"image", "patch"} or {"image"} -> logit [B, 1], float32.
      classifier: image -> logits [B, K], float32, or None without labels.
      label_loss: (labels, logits) -> [B]; see `losses`. Integer labels below 0 are
        unknown; such images do not count in the means of c_real and c_fake.
      generator_steps: T_g, iterations of the generator alone.
      discriminator_steps: T_d, iterations of the judges alone.
      reconstruction_weight: Of the masked L2. If it is 0 the generator begins with the
        adversarial loss, as printed: against an untrained discriminator.
      adversarial_weight: Of L_g, Equation 2.
      classification_weight: Of L_c^f, Equation 5, in the joint loss.
      classifier_on_fake: Trains the classifier on restored images as well, as line 10
        of Algorithm 1 does.
      average: Of the generator's weights, or None.
    """

    def __init__(
        self,
        generator: tf.keras.Model,
        discriminator: tf.keras.Model,
        classifier: tf.keras.Model | None = None,
        *,
        label_loss: Callable[..., tf.Tensor] = losses.multi_label,
        generator_steps: int = 900,
        discriminator_steps: int = 100,
        reconstruction_weight: float = 1.0,
        adversarial_weight: float = 4e-4,
        classification_weight: float = 1e-3,
        classifier_on_fake: bool = True,
        average: WeightAverage | None = None,
    ):
        networks = {"generator": generator, "discriminator": discriminator}
        if classifier:
            networks["classifier"] = classifier
        super().__init__(networks, average=average, name="pyramid_trainer")
        self.classifier = classifier
        self.label_loss = label_loss
        self.generator_steps = generator_steps
        self.discriminator_steps = discriminator_steps
        self.reconstruction_weight = reconstruction_weight
        self.adversarial_weight = adversarial_weight
        self.classification_weight = classification_weight
        self.classifier_on_fake = classifier_on_fake
        self.phase = self.phase_at(0)
        self._compiled: dict[str, Callable] = {}

    def phase_at(self, step: int) -> Phase:
        """The phase of an iteration."""
        return phase_at(step, self.generator_steps, self.discriminator_steps)

    def compile(
        self,
        make_optimizer: Callable[[], tf.keras.optimizers.Optimizer],
        *,
        jit_compile: bool = False,
    ) -> None:
        """Gives every network an optimizer; see `Trainer.compile`."""
        terms = ["g_reconstruction"] if self.reconstruction_weight else []
        terms += ["g_adversarial", "d_real", "d_fake"]
        if self.classifier:
            terms += ["g_classification", "c_real", "c_fake"]
        optimizers = [make_optimizer() for _ in self._networks]
        self._compiled = {}
        super().compile(*optimizers, terms=terms, jit_compile=jit_compile)

    def make_train_function(self, force: bool = False) -> Callable:
        """A function that calls the compiled step of the present phase."""
        if force:
            self._compiled = {}
        # A count of its own: reading the variable would wait for the device.
        step = int(self.steps.numpy())

        def train(iterator):
            nonlocal step
            self.phase = self.phase_at(step)
            compiled = self._compiled.get(self.phase.name)
            if compiled is None:
                compiled = super(PyramidTrainer, self).make_train_function(force=True)
                self._compiled[self.phase.name] = compiled
                self.train_function = train  # Keras has put its own there
            step += 1
            return compiled(iterator)

        self.train_function = train
        return train

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """One iteration of Algorithm 1, in the current phase."""
        inputs, target = data
        with tf.GradientTape(persistent=True) as tape:
            terms = self._forward(inputs, target)
            moving = {name: total(terms[name]) for name in self._moving()}
        for name, loss in moving.items():
            self._update(name, tape, loss)
        del tape
        self._count()
        shown = {**terms["generator"], **terms.get("discriminator", {})}
        judged = terms.get("shown", {})
        counting = dict.fromkeys(judged, _known(target)) if judged else {}
        return self._report({**shown, **judged}, counting)

    def _moving(self) -> tuple[str, ...]:
        """The networks that learn in the current phase."""
        if self.phase is Phase.ALONE:
            return ("generator",)
        if self.phase is Phase.JUDGES:
            return self._networks[1:]
        return self._networks

    def _forward(self, inputs, target) -> dict[str, Losses]:
        """Network -> terms, without those that update nothing in this phase."""
        real = target["image"]
        # One pass serves every network: the judges see it as a constant, because only
        # gradients with respect to their own weights are computed.
        fake = self.generator(inputs, training=True)
        reconstruction = self._reconstruction(real, fake, inputs["mask"])
        if self.phase is Phase.ALONE and reconstruction:
            return {"generator": reconstruction}
        fake_score = self._score(fake, inputs["mask"])
        adversarial = losses.cross_entropy_to(fake_score, 1.0)
        generator = {
            **reconstruction, "g_adversarial": self.adversarial_weight * adversarial
        }  # fmt: skip
        if self.phase is Phase.ALONE:
            return {"generator": generator}
        discriminator = {
            "d_real": losses.cross_entropy_to(self._score(real, target["mask"]), 1.0),
            "d_fake": losses.cross_entropy_to(fake_score, 0.0),
        }
        terms = {"generator": generator, "discriminator": discriminator}
        if self.classifier:
            terms.update(self._classification(real, fake, target["labels"]))
            generator["g_classification"] = (
                self.classification_weight * terms["shown"]["c_fake"]
            )
        return terms

    def _reconstruction(self, real, fake, mask) -> Losses:
        if not self.reconstruction_weight:
            return {}
        loss = losses.masked_l2(real, fake, mask)
        return {"g_reconstruction": self.reconstruction_weight * loss}

    def _score(self, image, mask) -> tf.Tensor:
        """The discriminator's logit of an image and the patch around its hole."""
        seen = {"image": image}
        shapes = self.discriminator.input_shape
        if "patch" in shapes:
            seen["patch"] = holes.crop_around_hole(image, mask, shapes["patch"][1])
        return self.discriminator(seen, training=True)

    def _classification(self, real, fake, labels) -> dict[str, Losses]:
        """Equations 4 and 5: the classifier's terms, and those that are reported."""
        on_fake = self.classifier_on_fake
        real_logits = self.classifier(real, training=True)
        # With the statistics of real images, unless the classifier learns from both.
        fake_logits = self.classifier(fake, training=on_fake)
        logits = {"c_real": real_logits, "c_fake": fake_logits}
        shown = {name: self.label_loss(labels, x) for name, x in logits.items()}
        learned = shown if on_fake else {"c_real": shown["c_real"]}
        return {"classifier": learned, "shown": shown}


def _known(target) -> tf.Tensor | None:
    """1 where an image has a label and 0 where it has none [B]; None if all have."""
    labels = target["labels"]
    return tf.cast(labels >= 0, tf.float32) if labels.shape.rank == 1 else None
