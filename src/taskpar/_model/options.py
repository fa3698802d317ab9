"""The options of a call: all that may be said of it besides what to call, and with what."""

from typing import TYPE_CHECKING, TypedDict, cast

from taskpar._model.checks import positive_or_none, text_or_none
from taskpar._model.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class OptionWords(TypedDict, total=False):
    """The keywords of options, for type checkers: what takes ``**options`` takes these."""

    name: str | None
    chunksize: int | None
    buffersize: int | None


class Options(Value):
    """The options of a call, a value: None says that nothing is asked for.

    **Law:** options change how a call is run and what it is called, never what it returns.

    Args:
        name: The name of the tasks; None: that of the function.
        chunksize: How many calls go to a worker at a time; None: as many as pays, which is best.
        buffersize: How many calls the input is read ahead of the reader of the results; None: a
            sized input is read whole, an iterator at most 1000 calls ahead.

    Raises:
        TypeError: An option is of the wrong type, or is none of these.
        ValueError: A size is less than 1.
    """

    __slots__ = ("name", "chunksize", "buffersize")  # noqa: RUF023  # in the order of __init__

    name: str | None
    chunksize: int | None
    buffersize: int | None

    def __init__(
        self,
        name: str | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> None:
        self._set(
            name=text_or_none("name", name),
            chunksize=positive_or_none("chunksize", chunksize),
            buffersize=positive_or_none("buffersize", buffersize),
        )

    def updated(self, **changes: "Unpack[OptionWords]") -> "Options":
        """Return these options with some of them changed.

        **Law:** ``Options(**a).updated(**b) == Options(**{**a, **b})``.

        Raises:
            TypeError: There is no option of that name; the message lists those that there are.
        """
        for name in changes:
            if name not in _NAMES:
                raise TypeError(f"there is no option {name!r}: there are {', '.join(_NAMES)}")
        every: OptionWords = {**self.given(), **changes}
        return Options(**every)

    def given(self) -> OptionWords:
        """Return those that are asked for, as keywords.

        **Law:** ``Options(**options.given()) == options``.
        """
        found = {name: value for name in _NAMES if (value := getattr(self, name)) is not None}
        return cast("OptionWords", found)  # the names are the fields'


_NAMES = Options.__slots__
