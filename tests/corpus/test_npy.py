"""read_npy_ids against numpy's own reader and writer."""
import hashlib
import subprocess

import numpy
import pytest

IDS = numpy.random.default_rng(0).integers(0, 49152, size=(3, 40))


@pytest.fixture(scope="session")
def npy_dump(built_program):
    def run(paths) -> list[str]:
        output = subprocess.run([built_program("npy_dump"), *paths], capture_output=True, check=True).stdout
        return output.decode(errors="replace").splitlines()

    return run


def expected(ids: numpy.ndarray) -> str:
    return f"{ids.size} {hashlib.sha256(ids.astype('<i8').tobytes()).hexdigest()}"


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("dtype", ["<i8", "<i4", "<u4", "<u2"])
def test_what_numpy_writes_is_read(npy_dump, tmp_path, dtype, version):
    arrays = [IDS.astype(dtype), IDS.ravel().astype(dtype), IDS[:0].astype(dtype), IDS[:, :1].copy().astype(dtype)]
    paths = [tmp_path / f"{i}.npy" for i in range(len(arrays))]
    for path, array in zip(paths, arrays):
        with open(path, "wb") as file:
            numpy.lib.format.write_array(file, array, version=version)
    assert npy_dump(paths) == [expected(array) for array in arrays]


def test_other_arrays_are_refused(npy_dump, tmp_path):
    arrays = [
        IDS.astype(">i8"), IDS.astype("f4"), IDS.astype("u8"), IDS.astype("?"), IDS.astype("S5"), -IDS, IDS[None],
        numpy.asfortranarray(IDS), numpy.int64(3), numpy.zeros(2, dtype=[("a", "<i8")]), numpy.array([1, None]),
    ]
    paths = [tmp_path / f"{i}.npy" for i in range(len(arrays))]
    for path, array in zip(paths, arrays):
        numpy.save(path, array)
    assert [line for line in npy_dump(paths) if not line.startswith(f"error: {tmp_path}")] == []


def test_changed_files_are_refused_or_read_as_numpy_reads_them(npy_dump, tmp_path):
    """One to three bytes of the file changed, or the file cut, a thousand times."""
    numpy.save(tmp_path / "whole.npy", IDS.astype("<u2"))
    whole = (tmp_path / "whole.npy").read_bytes()
    random = numpy.random.default_rng(1)
    paths = []
    for i in range(1000):
        content = bytearray(whole[: random.integers(len(whole))] if i % 4 == 0 else whole)
        for place in random.integers(0, min(len(content), 90), size=random.integers(1, 4)) if content else []:
            content[place] = random.choice([random.integers(256), *b"0129(),'{} <u"])
        paths.append(tmp_path / f"{i}.npy")
        paths[-1].write_bytes(content)
    lines = npy_dump(paths)
    read = [(path, line) for path, line in zip(paths, lines, strict=True) if not line.startswith("error: ")]
    assert 0 < len(read) < len(paths)
    assert [path for path, line in read if line != expected(numpy.load(path))] == []
