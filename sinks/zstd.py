"""ZSTD for clickhouse-driver: what ClickHouse servers compress their answers with since 26.9, whatever the client asked for.

The driver would take it from the package `zstd`, which has no wheels for Linux on arm64. Asking the server for LZ4 instead
(`network_compression_method`) is refused to accounts that are readonly.
"""

import sys
from types import ModuleType
from typing import Final

from clickhouse_driver.compression.base import BaseCompressor, BaseDecompressor
from clickhouse_driver.protocol import CompressionMethod, CompressionMethodByte
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

_PLACE: Final = "clickhouse_driver.compression.zstd"
"""where the driver looks for it at the first such block"""


class Compressor(BaseCompressor):  # type: ignore[misc]
    """One block to the server, for `?compression=zstd`."""

    method = CompressionMethod.ZSTD
    method_byte = CompressionMethodByte.ZSTD

    def compress_data(self, data: bytes) -> bytes:
        return ZstdCompressor().compress(data)


class Decompressor(BaseDecompressor):  # type: ignore[misc]
    """One block from the server."""

    method = CompressionMethod.ZSTD
    method_byte = CompressionMethodByte.ZSTD

    def decompress_data(self, data: bytes, uncompressed_size: int) -> bytes:
        try:
            return ZstdDecompressor().decompress(data, max_output_size=uncompressed_size)
        except ZstdError as error:
            raise ConnectionError(f"a damaged block: {error}") from error  # another connection may do better


def teach_driver() -> None:
    """Make these two the driver's own."""
    module = ModuleType(_PLACE)
    module.Compressor, module.Decompressor = Compressor, Decompressor  # type: ignore[attr-defined]
    sys.modules[_PLACE] = module
