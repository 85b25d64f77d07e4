// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GgufBuilder: GGUF files for tests, well-made unless told otherwise; every count, length and offset can be a lie.
#pragma once

#include "core/base/checked.h"
#include "core/io/ggufvalue.h"
#include "support/bytes.h"

#include <optional>

namespace ql::test {

struct GgufBuilder {
    struct Tensor {
        std::string name;
        std::vector<int64_t> dims; ///< fastest first, as in the file
        uint32_t type = 0;
        Bytes data;
        std::optional<uint64_t> offset;     ///< instead of the running sum
        std::optional<uint64_t> nameLength; ///< instead of the name's
        std::optional<uint32_t> dimCount;   ///< instead of the number of dims
    };

    std::string magic = "GGUF";
    uint32_t version = 3;
    std::optional<int64_t> tensorCount;
    std::optional<int64_t> keyCount;
    uint64_t alignment = 32; ///< of the data; the key is the caller's
    Bytes keys;
    int64_t keysWritten = 0;
    std::vector<Tensor> tensors;
    size_t dropped = 0; ///< bytes cut off the end
    bool padded = true; ///< whether the data section is padded to its start

    /// A key whose value is `value` as it stands.
    GgufBuilder& key(std::string_view name, uint32_t type, const Bytes& value)
    {
        keys.string(name).u32(type).append(value);
        ++keysWritten;
        return *this;
    }
    GgufBuilder& text(std::string_view name, std::string_view value)
    {
        return key(name, uint32_t(GgufType::String), Bytes().string(value));
    }
    template <class T>
    GgufBuilder& number(std::string_view name, GgufType type, T value)
    {
        return key(name, uint32_t(type), Bytes().number(value));
    }
    GgufBuilder& u32(std::string_view name, uint32_t value) { return number(name, GgufType::U32, value); }
    GgufBuilder& u16(std::string_view name, uint16_t value) { return number(name, GgufType::U16, value); }
    GgufBuilder& array(std::string_view name, uint32_t element, uint64_t count, const Bytes& elements)
    {
        return key(name, uint32_t(GgufType::Array), Bytes().u32(element).u64(count).append(elements));
    }
    Tensor& tensor(std::string_view name, std::vector<int64_t> dims, uint32_t type, const Bytes& data)
    {
        return tensors.emplace_back(Tensor{std::string(name), std::move(dims), type, data, {}, {}, {}});
    }

    Bytes build() const
    {
        Bytes out;
        out.raw(magic).u32(version);
        out.i64(tensorCount.value_or(int64_t(tensors.size()))).i64(keyCount.value_or(keysWritten)).append(keys);
        uint64_t running = 0;
        for (const Tensor& t : tensors) {
            out.u64(t.nameLength.value_or(t.name.size())).raw(t.name);
            out.u32(t.dimCount.value_or(uint32_t(t.dims.size())));
            for (const int64_t dim : t.dims)
                out.i64(dim);
            out.u32(t.type).u64(t.offset.value_or(running));
            running = checkedAlign(running + t.data.size(), alignment).value_or(0);
        }
        if (padded)
            out.padTo(alignment);
        for (const Tensor& t : tensors)
            out.append(t.data).padTo(padded ? alignment : 1);
        return out.cut(dropped);
    }
    std::shared_ptr<const ByteSource> source(std::string name = "test.gguf") const { return build().source(name); }
};

/// A small well-made file: a few keys of every kind and three tensors.
inline GgufBuilder smallGguf()
{
    GgufBuilder file;
    file.text("general.architecture", "llama").text("general.name", "Small").u32("llama.block_count", 1);
    file.number("llama.rope.freq_base", GgufType::F32, 10000.0f);
    file.number("tokenizer.ggml.add_bos_token", GgufType::Bool, true);
    file.array("tokenizer.ggml.tokens", uint32_t(GgufType::String), 3, Bytes().string("a").string("").string("bc"));
    file.array("tokenizer.ggml.scores", uint32_t(GgufType::F32), 2, Bytes().number(0.5f).number(-1.0f));
    file.tensor("token_embd.weight", {64, 3}, 0, Bytes().zeros(64 * 3 * 4));
    file.tensor("blk.0.attn_q.weight", {64, 2}, 2, Bytes().zeros(4 * 18));
    file.tensor("blk.0.attn_norm.weight", {5}, 0, Bytes().number(1.f).number(2.f).number(3.f).number(4.f).number(5.f));
    return file;
}

} // namespace ql::test
