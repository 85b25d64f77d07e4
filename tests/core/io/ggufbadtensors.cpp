// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Tensor infos that lie, and data that do not keep what the header promises.
#include "core/tensor/dtype.h"
#include "ggufbadfiles.h"

namespace ql::test {
namespace {

using E = ErrorCode;
using Tensor = GgufBuilder::Tensor;
constexpr int64_t kTop = INT64_MAX;

BadFile oneTensor(std::string name, ErrorCode code, const Tensor& tensor, std::string mentions = "tensor 'w'")
{
    GgufBuilder file;
    file.tensors.push_back(tensor);
    return {std::move(name), code, file.build().zeros(64).data(), std::move(mentions)};
}

BadFile named(std::string row, ErrorCode code, std::string name, std::string mentions)
{
    return oneTensor(std::move(row), code, {std::move(name), {4}, 0, Bytes().zeros(16), {}, {}, {}}, std::move(mentions));
}

BadFile shaped(std::string name, ErrorCode code, std::vector<int64_t> dims, uint32_t type = 0)
{
    return oneTensor(std::move(name), code, {"w", std::move(dims), type, Bytes().zeros(64), {}, {}, {}});
}

/// Header and the whole info of one tensor named "w" of one dimension, `cut` bytes short of its end.
Bytes cutInfo(size_t cut)
{
    return Bytes().raw("GGUF").u32(3).i64(1).i64(0).string("weights.of.a.layer").u32(1).i64(4).u32(0).u64(0).cut(cut);
}

void addNames(BadFiles& rows)
{
    rows.push_back(named("name of 64 bytes", E::NameTooLong, std::string(64, 'n'), "64 bytes"));
    rows.push_back(named("name of 300 bytes", E::NameTooLong, std::string(300, 'n'), "300 bytes"));
    rows.push_back(named("empty name", E::BadKey, "", "tensor 0"));
    rows.push_back(named("name of malformed UTF-8", E::InvalidUtf8, "a\x80z", "\\x80"));
    rows.push_back(named("name with a new line", E::BadKey, "a\nz", "\\x0A"));
    rows.push_back(named("name with a terminal escape", E::BadKey, "\x1B]0;x\x07", "\\x1B"));
    rows.push_back(named("name with a C1 control", E::BadKey, "a\xC2\x9Bz", "\\xC2"));
    rows.push_back(named("name with a line separator", E::BadKey, "a\xE2\x80\xA8z", "\\xE2"));
    for (const uint64_t length : {UINT64_MAX, uint64_t(1) << 63, (uint64_t(1) << 30) + 1}) {
        Tensor tensor{"w", {4}, 0, Bytes().zeros(16), {}, length, {}};
        rows.push_back(oneTensor("name length " + std::to_string(length), E::StringTooLong, tensor, "tensor 0"));
    }
    rows.push_back(oneTensor("name length 2^30", E::NameTooLong,
                             {"w", {4}, 0, Bytes().zeros(16), {}, uint64_t(1) << 30, {}}, "tensor 0"));
}

void addShapes(BadFiles& rows)
{
    for (const uint32_t count : {5u, 8u, 255u, 0x80000000u, 0xFFFFFFFFu}) {
        rows.push_back(oneTensor(std::to_string(count) + " dimensions", E::BadDimensionCount,
                                 {"w", {1, 1, 1, 1, 1}, 0, Bytes().zeros(4), {}, {}, count}));
    }
    rows.push_back(shaped("dimension -1", E::BadDimension, {-1}));
    rows.push_back(shaped("dimension of the least int64", E::BadDimension, {INT64_MIN}));
    rows.push_back(shaped("negative second dimension", E::BadDimension, {32, -4}));
    rows.push_back(shaped("two negative dimensions whose product is positive", E::BadDimension, {-4, -4}));
    rows.push_back(shaped("negative beside zero", E::BadDimension, {0, -1}));
    rows.push_back(shaped("product that turns negative", E::ShapeOverflow, {kTop, 2, 1, 1}));
    rows.push_back(shaped("product of 2^63", E::ShapeOverflow, {int64_t(1) << 62, 2}));
    rows.push_back(shaped("product of 2^64, which wraps to zero", E::ShapeOverflow, {int64_t(1) << 32, int64_t(1) << 32}));
    rows.push_back(shaped("product of four 2^16", E::ShapeOverflow, {1 << 16, 1 << 16, 1 << 16, 1 << 16}));
    rows.push_back(shaped("product that wraps to a small number", E::ShapeOverflow,
                          {int64_t(1) << 33, (int64_t(1) << 31) + 1, 1, 1}));
    rows.push_back(shaped("overflow behind a zero", E::ShapeOverflow, {0, int64_t(1) << 40, int64_t(1) << 40}));
    rows.push_back(shaped("overflow before a zero", E::ShapeOverflow, {int64_t(1) << 40, int64_t(1) << 40, 0}));
    rows.push_back(shaped("F64 size that wraps", E::ShapeOverflow, {int64_t(1) << 61}, 28));
    rows.push_back(shaped("F32 size that wraps", E::ShapeOverflow, {kTop}, 0));
    rows.push_back(shaped("F32 size that wraps when padded", E::ShapeOverflow, {(int64_t(1) << 62) - 1}, 0));
    rows.push_back(shaped("F16 size that wraps when padded", E::ShapeOverflow, {kTop}, 1));
    rows.push_back(shaped("Q8_0 exabytes", E::TensorOutOfFile, {int64_t(1) << 60, 4}, 8));
    rows.push_back(shaped("F32 exabytes", E::TensorOutOfFile, {int64_t(1) << 60}, 0));
    rows.push_back(shaped("I8 of the greatest int64", E::TensorOutOfFile, {kTop}, 24));
}

void addTypes(BadFiles& rows)
{
    for (const uint32_t type : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u})
        rows.push_back(shaped("removed type " + std::to_string(type), E::BadTensorType, {256}, type));
    for (const uint32_t type : {43u, 44u, 100u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu})
        rows.push_back(shaped("unknown type " + std::to_string(type), E::BadTensorType, {256}, type));
    for (const uint32_t type : {2u, 3u, 6u, 7u, 8u, 10u, 11u, 12u, 13u, 14u, 20u, 23u, 39u, 40u, 9u, 15u, 16u, 34u, 41u}) {
        const DTypeInfo& info = dtypeInfo(*dtypeFromGgml(type));
        rows.push_back(shaped(std::string(info.name) + " row of a block less one", E::BadBlockMultiple,
                              {info.blockElements - 1, info.blockElements}, type));
    }
    rows.push_back(shaped("Q4_0 row of 16, two rows to the block", E::BadBlockMultiple, {16, 2}, 2));
    rows.push_back(shaped("Q4_0 without dimensions", E::BadBlockMultiple, {}, 2));
    rows.push_back(shaped("Q6_K row of 128 beside a zero", E::BadBlockMultiple, {128, 0}, 14));
}

BadFile twoTensors(std::string name, ErrorCode code, uint64_t first, uint64_t second, std::string mentions)
{
    GgufBuilder file;
    file.tensor("a", {16}, 0, Bytes().zeros(64)).offset = first;
    file.tensor("b", {16}, 0, Bytes().zeros(64)).offset = second;
    return {std::move(name), code, file.build().zeros(4096).data(), std::move(mentions)};
}

void addOffsets(BadFiles& rows)
{
    rows.push_back(twoTensors("first offset not zero", E::BadTensorOffset, 32, 96, "tensor 'a'"));
    rows.push_back(twoTensors("first offset misaligned", E::BadTensorOffset, 1, 64, "tensor 'a'"));
    rows.push_back(twoTensors("tensors on top of each other", E::BadTensorOffset, 0, 0, "tensor 'b'"));
    rows.push_back(twoTensors("tensors overlapping", E::BadTensorOffset, 0, 32, "tensor 'b'"));
    rows.push_back(twoTensors("a gap between tensors", E::BadTensorOffset, 0, 128, "tensor 'b'"));
    rows.push_back(twoTensors("second offset misaligned", E::BadTensorOffset, 0, 65, "tensor 'b'"));
    rows.push_back(twoTensors("tensors in another order", E::BadTensorOffset, 64, 0, "tensor 'a'"));
    rows.push_back(twoTensors("offset of the greatest uint64", E::BadTensorOffset, 0, UINT64_MAX, "tensor 'b'"));
    rows.push_back(twoTensors("offset that wraps to the header", E::BadTensorOffset, 0, UINT64_MAX - 63, "tensor 'b'"));
    rows.push_back(twoTensors("offset of 2^63", E::BadTensorOffset, 0, uint64_t(1) << 63, "tensor 'b'"));
    GgufBuilder aligned;
    aligned.u32("general.alignment", 64);
    aligned.tensor("a", {8}, 0, Bytes().zeros(32));
    aligned.tensor("b", {8}, 0, Bytes().zeros(32));
    rows.push_back({"alignment 64, data laid out by 32", E::BadTensorOffset, aligned.build().data(), "tensor 'b'"});
}

void addData(BadFiles& rows)
{
    GgufBuilder file = smallGguf();
    file.dropped = 12 + 1; // the padding of the last tensor may be missing, its last byte may not
    rows.push_back({"last tensor one byte short", E::TensorOutOfFile, file.build().data(), "'blk.0.attn_norm.weight'"});
    file.dropped = 32 + 96 + 1;
    rows.push_back({"first tensor one byte short", E::TensorOutOfFile, file.build().data(), "'token_embd.weight'"});
    file.dropped = 32 + 96 + 768;
    rows.push_back({"no data at all", E::TensorOutOfFile, file.build().data(), "'token_embd.weight'"});
    GgufBuilder bare;
    bare.padded = false;
    bare.tensor("w", {4}, 0, Bytes());
    rows.push_back({"no data and no padding", E::TensorOutOfFile, bare.build().data(), "tensor 'w'"});
    bare.tensors[0].dims = {1 << 20};
    rows.push_back({"megabytes announced, none there", E::TensorOutOfFile, bare.build().data(), "tensor 'w'"});
    rows.push_back({"tensor offset cut", E::UnexpectedEnd, cutInfo(1).data(), "'weights.of.a.layer'"});
    rows.push_back({"tensor type cut", E::UnexpectedEnd, cutInfo(9).data(), "'weights.of.a.layer'"});
    rows.push_back({"tensor dimension cut", E::UnexpectedEnd, cutInfo(13).data(), "'weights.of.a.layer'"});
    rows.push_back({"tensor dimension count cut", E::UnexpectedEnd, cutInfo(21).data(), "'weights.of.a.layer'"});
    GgufBuilder more = smallGguf();
    more.tensorCount = 4;
    rows.push_back({"one tensor more than there is", E::BadKey, more.build().data(), "tensor 3"});
    GgufBuilder twice = smallGguf();
    twice.tensor("token_embd.weight", {4}, 0, Bytes().zeros(16));
    rows.push_back({"duplicate tensor", E::DuplicateTensor, twice.build().data(), "'token_embd.weight'"});
}

} // namespace

BadFiles badGgufTensors()
{
    BadFiles rows;
    addNames(rows);
    addShapes(rows);
    addTypes(rows);
    return rows;
}

BadFiles badGgufLayouts()
{
    BadFiles rows;
    addOffsets(rows);
    addData(rows);
    return rows;
}

} // namespace ql::test
