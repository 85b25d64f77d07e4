// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/analysis.h"
#include "core/compute/provenance.h"
#include "core/quant/packing.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

/// Longest stretch of a group that is shown; longer groups are cut into such stretches.
constexpr int64_t kMostValues = 1024;

/// The stored bytes of columns [first, first + count) of the one row of q.
std::vector<std::byte> packedPiece(const QuantizedTensor& q, int64_t first, int64_t count)
{
    const FormatTraits& row = traits(q.scheme.format);
    if (row.kind == FormatKind::Keep) {
        const int64_t width = row.bits / 8;
        return {q.blocks.begin() + first * width, q.blocks.begin() + (first + count) * width};
    }
    if (q.scheme.format == Format::NVFP4) {
        // Four groups share a superblock: their scale bytes come first, then eight bytes of codes each.
        const int64_t group = first / row.blockSize;
        const int64_t inBlock = std::min<int64_t>(4, q.groupsPerRow - group / 4 * 4);
        const auto block = q.blocks.begin() + group / 4 * 4 * row.blockBytes;
        std::vector<std::byte> bytes{block[group % 4]};
        const auto codes = block + inBlock + group % 4 * (row.blockSize / 2);
        bytes.insert(bytes.end(), codes, codes + row.blockSize / 2);
        return bytes;
    }
    if (!q.blocks.empty()) {
        const int64_t block = first / row.blockSize;
        return {q.blocks.begin() + block * row.blockBytes, q.blocks.begin() + (block + 1) * row.blockBytes};
    }
    QuantizedTensor piece;
    piece.scheme = q.scheme;
    piece.rows = 1;
    piece.cols = count;
    piece.codes.assign(q.codes.begin() + first, q.codes.begin() + first + count);
    return packedRow(piece, 0);
}

/// Codes as people read them: signed for symmetric integers.
int shownCode(const Scheme& scheme, uint8_t code)
{
    const bool isSigned = traits(scheme.format).kind == FormatKind::Integer && scheme.symmetry == Symmetry::Symmetric;
    return isSigned ? int(int8_t(code)) : int(code);
}

} // namespace

Result<Shared<GroupDetail>> analyseGroup(Backend& backend, const TensorView& tensor, const Scheme& scheme, int64_t row,
                                         int64_t col, const JobControl& job)
{
    if (row < 0 || row >= tensor.rows() || col < 0 || col >= tensor.cols())
        return Error{ErrorCode::InvalidArgument, "there is no such value in the tensor", {}};
    ProvenanceClock clock(backend, tensor, scheme);
    QL_TRY(const TensorParameters parameters, backend.prepare(tensor, scheme, job));
    QL_TRY(const QuantizedTensor q, backend.quantizeRows(tensor, parameters, row, 1, {job.stop, {}}));
    std::vector<float> x(size_t(tensor.cols()));
    std::vector<float> hat(size_t(tensor.cols()));
    QL_CHECK(tensor.readRows(row, 1, x.data()));
    QL_CHECK(backend.dequantize(q, hat.data(), {job.stop, {}}));

    const int64_t groupSize = q.groupsPerRow == 0 ? tensor.cols() : q.groupSize;
    const int64_t groupFirst = col / groupSize * groupSize;
    const int64_t first = groupFirst + (col - groupFirst) / kMostValues * kMostValues;
    const int64_t groupEnd = std::min(groupFirst + groupSize, tensor.cols());
    const int64_t count = std::min(kMostValues, groupEnd - first);
    const size_t group = q.groupsPerRow == 0 ? 0 : size_t(col / groupSize);

    auto detail = std::make_shared<GroupDetail>();
    detail->row = row;
    detail->firstCol = first;
    detail->scale = group < q.scales.size() ? double(q.scales[group]) : 1;
    detail->zero = group < q.zeros.size() ? q.zeros[group] : 0;
    const float minimum = group < q.mins.size() ? q.mins[group] : 0.0f;
    detail->values.assign(x.begin() + first, x.begin() + first + count);
    detail->reconstructed.assign(hat.begin() + first, hat.begin() + first + count);
    const float scale = float(detail->scale);
    for (int64_t i = first; i < first + count; ++i) {
        detail->scaled.push_back(scale != 0 ? (x[size_t(i)] - minimum) / scale + float(detail->zero) : 0.0f);
        if (!q.codes.empty())
            detail->codes.push_back(shownCode(scheme, q.codes[size_t(i)]));
    }
    detail->packed = packedPiece(q, first, count);
    detail->provenance = clock.finish();
    return Shared<GroupDetail>(std::move(detail));
}

} // namespace ql
