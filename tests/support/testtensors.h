// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Test tensors: the sizes and inputs that every differential test runs through, and seeded random values that are the
// same on every machine (std distributions are not).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

namespace ql::test {

/// Sizes around every block, vector and group boundary.
inline const std::vector<int64_t>& differentialSizes()
{
    static const std::vector<int64_t> sizes{1,  2,  3,  5,  7,   8,   15,  16,  17,   31,  32,
                                            33, 63, 64, 65, 127, 128, 129, 255, 1023, 4096};
    return sizes;
}

/// SplitMix64 (Steele, Lea, Flood 2014).
class Random
{
public:
    explicit Random(uint64_t seed) : m_state(seed) {}

    uint64_t next()
    {
        uint64_t z = m_state += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }
    /// Uniform in [0, 1), 53 bits.
    double uniform() { return double(next() >> 11) * 0x1p-53; }
    /// Whole number in [0, bound).
    uint64_t below(uint64_t bound) { return next() % bound; }
    /// Standard normal, by Box and Muller.
    double normal()
    {
        if (m_hasSpare) {
            m_hasSpare = false;
            return m_spare;
        }
        const double radius = std::sqrt(-2 * std::log(1 - uniform()));
        const double angle = 2 * std::numbers::pi * uniform();
        m_spare = radius * std::sin(angle);
        m_hasSpare = true;
        return radius * std::cos(angle);
    }

private:
    uint64_t m_state;
    double m_spare = 0;
    bool m_hasSpare = false;
};

inline std::vector<float> normalValues(int64_t count, uint64_t seed = 1, double sigma = 1)
{
    Random random(seed);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& v : values)
        v = float(sigma * random.normal());
    return values;
}

enum class Input {
    Zeros,
    Constant,
    NegativeConstant,
    Outlier,
    Subnormals,
    Infinities,
    NotNumbers,
    Positive,
    Huge,
    Random
};

struct NamedInput {
    Input input;
    const char* name;
};

inline const std::vector<NamedInput>& differentialInputs()
{
    static const std::vector<NamedInput> inputs{{Input::Zeros, "zeros"},
                                                {Input::Constant, "constant"},
                                                {Input::NegativeConstant, "negative constant"},
                                                {Input::Outlier, "one outlier"},
                                                {Input::Subnormals, "subnormals"},
                                                {Input::Infinities, "infinities"},
                                                {Input::NotNumbers, "not numbers"},
                                                {Input::Positive, "all positive"},
                                                {Input::Huge, "huge"},
                                                {Input::Random, "random"}};
    return inputs;
}

/// `count` values of one kind of input.
inline std::vector<float> makeInput(Input input, int64_t count, uint64_t seed = 7)
{
    std::vector<float> x = normalValues(count, seed, 0.02);
    const size_t middle = x.size() / 2;
    switch (input) {
    case Input::Zeros:
        std::fill(x.begin(), x.end(), 0.0f);
        break;
    case Input::Constant:
        std::fill(x.begin(), x.end(), 0.37f);
        break;
    case Input::NegativeConstant:
        std::fill(x.begin(), x.end(), -1.25f);
        break;
    case Input::Outlier:
        x[middle] = -31.5f;
        break;
    case Input::Subnormals:
        for (size_t i = 0; i < x.size(); ++i)
            x[i] = x[i] * (i % 3 ? 1e-37f : 1e-41f);
        break;
    case Input::Infinities:
        x[middle] = std::numeric_limits<float>::infinity();
        x[x.size() / 3] = -std::numeric_limits<float>::infinity();
        break;
    case Input::NotNumbers:
        x[middle] = std::numeric_limits<float>::quiet_NaN();
        x[0] = std::numeric_limits<float>::quiet_NaN();
        break;
    case Input::Positive:
        for (float& v : x)
            v = std::abs(v) + 0.01f;
        break;
    case Input::Huge:
        for (float& v : x)
            v *= 1e38f;
        break;
    case Input::Random:
        break;
    }
    return x;
}

} // namespace ql::test
