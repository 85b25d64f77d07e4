// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RowReservoir: a bounded random sample of rows without replacement. Every row has a random priority that follows from
// the seed and its place alone, and the rows with the lowest stay; so the sample does not depend on the order in which
// rows come, and all inputs of a model keep the same tokens. A value; not shared between threads.
#pragma once

#include <cstdint>
#include <vector>

namespace ql {

class RowReservoir
{
public:
    RowReservoir(int64_t rows, int64_t channels, uint64_t seed) : m_most(rows), m_channels(channels), m_seed(seed) {}

    /// `row` has one value per channel.
    void offer(int sequence, int64_t position, const float* row);
    int64_t rows() const { return int64_t(m_heap.size()); }
    /// All rows, ordered by sequence and position.
    std::vector<float> values() const;

private:
    struct Place {
        uint64_t priority;
        int sequence;
        int64_t position;
        int64_t slot; ///< row of m_values
        auto operator<=>(const Place&) const = default;
    };

    int64_t m_most;
    int64_t m_channels;
    uint64_t m_seed;
    std::vector<Place> m_heap; ///< the highest priority on top
    std::vector<float> m_values;
};

} // namespace ql
