// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the checkpoint formats share: integer codes and their groups as files number them, scales and zero points as
// bytes, and what may be changed about a scheme. Stateless; any thread.
#pragma once

#include "core/export/checkpointformat.h"

#include <initializer_list>
#include <span>

namespace ql {

/// Groups as a file sees them, which may be finer than the quantizer's: a scheme per channel is stored exactly in groups
/// of 128 with equal scales.
class FileGroups
{
public:
    FileGroups(const QuantizedTensor& q, int64_t groupSize);
    int64_t perRow() const { return m_perRow; }
    /// Index into scales and zeros of the quantized slice.
    size_t at(int64_t row, int64_t group) const;

private:
    const QuantizedTensor& m_q;
    int64_t m_groupSize;
    int64_t m_perRow;
};

bool isInteger(const Scheme& scheme);
int bitsOf(const Scheme& scheme);
/// Integer codes counted from 0: symmetric ones with 2^(b-1) added.
std::vector<uint8_t> unsignedCodes(const QuantizedTensor& q, int64_t row);
/// Zero point that belongs to unsignedCodes().
int unsignedZero(const QuantizedTensor& q, size_t group);

/// Scales of the slice, row by row, in a float type that holds them exactly.
std::vector<std::byte> rowScales(const QuantizedTensor& q, const FileGroups& groups, DType type);
/// The same, group by group: element (group, row).
std::vector<std::byte> columnScales(const QuantizedTensor& q, const FileGroups& groups, DType type);
/// Rows of `rowBytes` bytes one behind the other.
Patch contiguousRows(const QuantizedTensor& q, uint64_t rowBytes, std::vector<std::byte> bytes);

/// The scheme with scales of `type`; wished types other than f32, f16 and bf16 are named in `why`.
Scheme withScales(Scheme scheme, ScaleType type, std::string& why);
/// Integers without double quantization.
Scheme withoutDouble(Scheme scheme, std::string& why);
ScaleType roundedScaleType(DType type);
/// The largest of `sizes` (descending) that divides the scheme's groups on rows of `cols` values; 0 when none does.
int64_t fileGroup(const Scheme& scheme, int64_t cols, std::initializer_list<int> sizes);
/// Gives the scheme groups that the file can have, and says why. False when no size divides the row.
bool settleGroups(Scheme& scheme, int64_t cols, std::initializer_list<int> sizes, std::string& why);

void addSlices(CheckpointTensor& tensor, std::string name, DType type, Shape shape,
             std::function<Patch(const QuantizedTensor&)> pack);
void addWhole(CheckpointTensor& tensor, std::string name, DType type, Shape shape,
              std::function<std::vector<std::byte>(const TensorParameters&)> whole);

/// Linear layers of the model that keep their type.
std::vector<std::string> keptModules(const std::vector<CheckpointTensor>& tensors);
/// Keeps quantized layers whose names begin with that of a kept one, for engines that look no closer.
void keepWhatNamesCover(std::vector<CheckpointTensor>& tensors);
/// Turns a decision into "kept as stored instead of SCHEME: why".
void keepAsStored(Decision& decision, const std::string& why);

} // namespace ql
