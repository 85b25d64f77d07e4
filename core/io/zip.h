// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ZIP archives as numpy writes them (PKWARE APPNOTE 6.3, ZIP64 included): the directory is read and checked, members are
// reached in place when stored and inflated when first read otherwise. Names are only names, never paths to write to.
#pragma once

#include "core/tensor/bytesource.h"

namespace ql {

struct ZipMember {
    std::string name;
    bool deflated = false;
    uint32_t crc = 0;
    uint64_t offset = 0;         ///< of the member's bytes in the archive
    uint64_t compressedSize = 0; ///< equal to `size` when stored
    uint64_t size = 0;
};

/// Members in directory order, duplicates and overlaps ruled out. ZipInvalid for every contradiction; ZipUnsupported for
/// encryption, several volumes and methods other than stored and deflated; ZipBomb when members share bytes or inflate to
/// more than 2 GiB each, 8 GiB together, or 200 times their size beyond 256 MiB.
Result<std::vector<ZipMember>> readZipDirectory(const ByteSource& archive);

/// A deflated member as bytes of its own: the first 128 KiB are inflated for each read there, the whole once when more is
/// read. ZipChecksum, ZipInvalid or ZipBomb when the bytes are not what the directory says. Any thread.
std::shared_ptr<const ByteSource> inflatedMember(std::shared_ptr<const ByteSource> archive, const ZipMember& member);

} // namespace ql
