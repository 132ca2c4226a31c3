"""The cell that a member of a tar is: of a plain tar where it lies, of others what it holds."""

from __future__ import annotations

import tarfile
from typing import Any

from artifact.errors import DataError
from artifact.images.limits import IMAGE_MB_OPTION, MB
from rows.formats.tar_archive import MemberName, link_target, plain_name
from rows.formats.tar_cells import TEXT_COLUMNS, faulty_cell, image_cell, text_cell
from rows.formats.tar_members import CellMember
from rows.formats.tar_survey import TarSurvey


def cell_of(member: CellMember, tar: tarfile.TarFile, survey: TarSurvey | None, *, max_bytes: int, where: str) -> Any:
    """Of an image the struct; of a text the text, or the struct where it can be read later.

    Args:
        survey: of a plain tar; None of an archive that is read once.
        max_bytes: of a text, and of an image that travels as bytes; of that one more is read.
        where: name of the archive, for messages.

    Raises:
        DataError: a text of more bytes.
    """
    column, info, file = member.column, member.info, member.file
    is_text = column in TEXT_COLUMNS.values()
    if survey is not None and link_target(info) is not None:
        span = survey.followed(plain_name(info.name))
        if span and is_text:
            _require_size(member, span[1], max_bytes, where)
        return image_cell(span=span) if span else faulty_cell(f"a link to what is not there: {info.linkname}", is_text)
    if survey is not None and info.isreg() and not info.issparse():
        if is_text:
            _require_size(member, info.size, max_bytes, where)
        return image_cell(span=(info.offset_data, info.size))
    if file is None and info.isreg():
        file = tar.extractfile(info)
    if file is None:
        what = "a device or pipe, not a file"
        if link_target(info) is not None:
            what = f"a link to {info.linkname}: pack it with tar --dereference --hard-dereference"
        return faulty_cell(what, is_text)
    if is_text:
        _require_size(member, info.size, max_bytes, where)
        return text_cell(file, info.size)
    # one byte more than the limit is enough to refuse it when it is decoded
    return image_cell(data=file.read(min(info.size, max_bytes + 1)))


def _require_size(member: CellMember, size: int, max_bytes: int, where: str) -> None:
    """Nothing is cut off in silence: a text is whole, or the archive is none that can be scored."""
    if size > max_bytes:
        raise DataError(
            f'row "{MemberName.of(member.info.name).key}"',
            expected=f"{member.column} of at most {max_bytes / MB:.10g} MB",
            got=f"{size / MB:.1f} MB",
            where=where,
            mend=f"raise it with {IMAGE_MB_OPTION}",
        )
