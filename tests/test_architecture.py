import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_imports_go_downwards():
    # In a process of its own: it silences every logger that is there, those that other tests read too.
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert finished.returncode == 0, finished.stdout


def test_ruff_is_clean():
    finished = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", ROOT], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stdout


def test_importing_the_numpy_rooms_imports_no_framework():
    program = (
        "import sys\n"
        "import mi204.architectures, mi204.arithmetic, mi204.audio, mi204.augment, mi204.backend\n"
        "import mi204.cli, mi204.metrics, mi204.datasets.cifar10, mi204.datasets.spoken_digits, mi204.plots\n"
        "import mi204.preprocessing, mi204.questions, mi204.results, mi204.splits, mi204.tables\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert finished.stdout.strip() == "[]"


def test_the_product_names_no_folder_of_a_machine():
    for path in [*ROOT.glob("*.toml"), *ROOT.glob("*.md"), *ROOT.glob("mi204/**/*"), *ROOT.glob("labs/**/*")]:
        if path.suffix in {".py", ".toml", ".md"}:
            text = path.read_text(encoding="utf-8")
            assert "../" + "shared" not in text, path
            assert not any(f"{root}/" in text for root in ("/work", "/root", "/home")), path
