"""Installs the rooms of facemend as top-level packages, and the shipped models."""

from pathlib import Path

import setuptools

ROOMS = (
    "data_pipeline",
    "evaluation",
    "experiments",
    "models",
    "serving",
    "training",
)
PAPERS = [
    card.parent.name for card in Path(__file__).parent.glob("experiments/*/card.md")
]

# Where these packages have wheels for TensorFlow 2.14.
X86 = "platform_machine == 'x86_64' and sys_platform != 'win32'"
NOT_WINDOWS = "sys_platform != 'win32' and platform_machine != 'aarch64'"

setuptools.setup(
    name="facemend",
    version="1.2.0",
    description="Restores and compresses faces: five published systems in TensorFlow",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.9,<3.12",
    # A flat layout: without names, setuptools refuses to guess.
    packages=[
        *setuptools.find_packages(
            include=[pattern for room in ROOMS for pattern in (room, f"{room}.*")]
        ),
        "serving.zoo.pretrained",
    ],
    # In a clone the models lie at its root.
    package_dir={"serving.zoo.pretrained": "pretrained"},
    package_data={
        "serving.zoo.pretrained": ["*"],
        "evaluation.report": ["templates/*"],
        **{f"experiments.{paper}": ["card.md"] for paper in PAPERS},
        "experiments": ["*.json"],
    },
    entry_points={"console_scripts": ["facemend = experiments.__main__:main"]},
    install_requires=[
        "absl-py>=1.4",
        "importlib-resources>=5.0",
        "jinja2>=3.0",
        "keras>=2.14,<2.15",
        "matplotlib>=3.7",
        "numpy>=1.23,<2",
        "opencv-python-headless>=4.7,<4.12",
        "pillow>=9.1",
        "protobuf>=4.21,<5",
        "psutil>=5.9",
        "requests>=2.28",
        "scipy>=1.10",
        # TensorBoard imports pkg_resources, which setuptools 82 no longer has.
        "setuptools<81",
        "tensorboard>=2.14,<2.15",
        "tensorflow>=2.14,<2.15",
        f"tensorflow-addons>=0.23,<0.24; {NOT_WINDOWS}",
        f"tensorflow-compression>=2.14,<2.15; {X86}",
        "tensorflow-datasets>=4.9",
        "tensorflow-metadata>=1.13,<1.18",
        "tqdm>=4.60",
    ],
    extras_require={
        "app": ["gradio>=6.31,<7"],
        # Best in an environment of its own: it needs nothing else of facemend.
        "beam": ["apache-beam>=2.60"],
        # Newer versions of onnx want a newer ml_dtypes than TensorFlow 2.14 has.
        "convert": [
            "onnx>=1.14,<1.19",
            "onnxruntime>=1.17",
            "openvino>=2024.0",
            "tf2onnx>=1.17; python_version >= '3.10'",
        ],
        # Engines of `--engine`; ONNX Runtime's networks are converted by tf2onnx.
        "openvino": ["openvino>=2024.0"],
        "onnxruntime": [
            "onnx>=1.14,<1.19",
            "onnxruntime>=1.17",
            "tf2onnx>=1.17; python_version >= '3.10'",
        ],
        # Installed anyway where there is a wheel of it.
        "codec": ["tensorflow-compression>=2.14,<2.15"],
        "face": ["mediapipe==0.10.21"],
        "fuzz": [
            "atheris>=3; python_version >= '3.11' and sys_platform == 'linux' "
            "and platform_machine == 'x86_64'"
        ],
        "jxl": ["pillow-jxl-plugin>=1.3"],
        "heic": ["pillow-heif>=0.16"],
        "serving": ["tensorflow-serving-api>=2.14.1,<2.15"],
        # Before 2.6, weights_only=True did not keep a file from running code.
        "torch": ["torch>=2.6"],
        "dev": [
            "hypothesis>=6.100",
            "mkdocs>=1.6",
            "pytest>=8",
            "pytest-xdist>=3",
            "ruff>=0.12",
            "scikit-image>=0.22",
        ],
    },
)
