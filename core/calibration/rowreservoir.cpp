// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/rowreservoir.h"

#include <algorithm>

namespace ql {
namespace {

/// Output function of SplitMix64 (Steele, Lea, Flood 2014).
uint64_t mix(uint64_t z)
{
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

} // namespace

void RowReservoir::offer(int sequence, int64_t position, const float* row)
{
    if (m_most <= 0)
        return;
    Place place{mix(mix(mix(m_seed) ^ uint64_t(sequence)) ^ uint64_t(position)), sequence, position, rows()};
    if (rows() < m_most) {
        m_values.insert(m_values.end(), row, row + m_channels);
    } else {
        if (!(place < m_heap.front()))
            return;
        std::pop_heap(m_heap.begin(), m_heap.end());
        place.slot = m_heap.back().slot;
        m_heap.pop_back();
        std::copy_n(row, m_channels, m_values.begin() + place.slot * m_channels);
    }
    m_heap.push_back(place);
    std::push_heap(m_heap.begin(), m_heap.end());
}

std::vector<float> RowReservoir::values() const
{
    std::vector<Place> places = m_heap;
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
        return a.sequence != b.sequence ? a.sequence < b.sequence : a.position < b.position;
    });
    std::vector<float> values;
    values.reserve(m_values.size());
    for (const Place& place : places) {
        const auto from = m_values.begin() + place.slot * m_channels;
        values.insert(values.end(), from, from + m_channels);
    }
    return values;
}

} // namespace ql
