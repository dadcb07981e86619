"""The driver reads and writes ZSTD blocks through ours."""

from io import BytesIO
from typing import Any

from clickhouse_driver.bufferedreader import BufferedReader
from clickhouse_driver.compression import get_compressor_cls, get_decompressor_cls
from clickhouse_driver.protocol import CompressionMethodByte
from clickhouse_driver.streams.compressed import CompressedBlockInputStream, CompressedBlockOutputStream
from hypothesis import given
from hypothesis import strategies as st

from sinks import server, zstd


class Bytes(BufferedReader):  # type: ignore[misc]
    def __init__(self, raw: bytes) -> None:
        super().__init__(0)
        self.buffer = bytearray(raw)
        self.current_buffer_size = len(raw)


def test_the_driver_takes_ours() -> None:
    assert server
    assert get_compressor_cls("zstd") is zstd.Compressor
    assert get_decompressor_cls(CompressionMethodByte.ZSTD) is zstd.Decompressor


@given(st.binary(max_size=5000).map(lambda part: part * 7))
def test_a_block_comes_back_as_it_went(data: bytes) -> None:
    wire: Any = BytesIO()
    out = CompressedBlockOutputStream(zstd.Compressor, 1 << 20, wire, None)
    out.compressor.write(data)
    out.finalize()
    assert CompressedBlockInputStream(Bytes(wire.getvalue()), None).read_block() == data
