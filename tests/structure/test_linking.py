"""In which libraries the program looks for a symbol first."""
import subprocess

from programs import BUILD


def test_the_cpp_library_comes_before_libtorch():
    """libtorch for CUDA exports functions of std::filesystem that crash (cmake/Libtorch.cmake)."""
    done = subprocess.run(["readelf", "-dW", BUILD / "sleb-engine"], capture_output=True, text=True, check=True)
    needed = [line.split("[")[1].split("]")[0] for line in done.stdout.splitlines() if "(NEEDED)" in line]
    first_of_libtorch = min(i for i, name in enumerate(needed) if name.startswith(("libtorch", "libc10")))
    assert needed.index("libstdc++.so.6") < first_of_libtorch, needed
