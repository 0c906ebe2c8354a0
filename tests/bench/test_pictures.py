"""Pictures that measurements read."""

from PIL import Image

from rnw.bench.pictures import make_pictures


def test_pictures_are_as_large_as_photographs(tmp_path):
    names = make_pictures(tmp_path, 3)
    files = [tmp_path / name for name in names]
    assert all(60_000 < file.stat().st_size < 150_000 for file in files)
    assert {Image.open(file).size for file in files} == {(500, 375)}
    assert len({file.read_bytes() for file in files}) == 3


def test_pictures_have_the_shapes_that_are_asked_for(tmp_path):
    names = make_pictures(tmp_path, 3, [(20, 30), (45, 15)])
    assert [Image.open(tmp_path / name).size for name in names] == [(30, 20), (15, 45), (30, 20)]
