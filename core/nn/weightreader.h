// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// WeightReader: where a network's weights come from (the file, a quantizer, a test). A value, cheap to copy; what it
// refers to must outlive everything that was loaded through it. One call at a time.
#pragma once

#include "core/base/result.h"

#include <concepts>
#include <functional>
#include <span>
#include <type_traits>

namespace ql {

class WeightReader
{
    template <class Read>
    static constexpr bool isOther = !std::is_same_v<std::remove_cvref_t<Read>, WeightReader>;

public:
    WeightReader() = default;
    /// `read(tensor, out)` fills `out` with all rows() x cols() values of a tensor of the model as f32, transposition
    /// undone.
    template <class Read>
        requires(isOther<Read> && std::is_invocable_r_v<Status, Read&, int, std::span<float>>)
    WeightReader(Read read) : m_whole(std::move(read))
    {
    }
    /// `read(tensor, firstRow, out)` fills `out` with whole rows from `firstRow` on.
    template <class Read>
        requires(isOther<Read> && std::is_invocable_r_v<Status, Read&, int, int64_t, std::span<float>>)
    WeightReader(Read read) : m_rows(std::move(read))
    {
    }

    /// All values of a tensor.
    Status operator()(int tensor, std::span<float> out) const
    {
        return m_rows ? m_rows(tensor, 0, out) : m_whole(tensor, out);
    }
    bool readsRows() const { return bool(m_rows); }
    /// Only if readsRows().
    Status rows(int tensor, int64_t firstRow, std::span<float> out) const { return m_rows(tensor, firstRow, out); }

    /// What it was made of, if that was a `Read` that reads rows.
    template <class Read>
    const Read* target() const
    {
        return m_rows.target<Read>();
    }

private:
    std::function<Status(int tensor, std::span<float> out)> m_whole;
    std::function<Status(int tensor, int64_t firstRow, std::span<float> out)> m_rows;
};

} // namespace ql
