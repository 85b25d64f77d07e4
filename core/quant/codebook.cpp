// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/codebook.h"

#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace ql {

namespace {

/// Where a value exactly between two levels goes.
enum class Tie { Down, Up, TowardZero, AwayFromZero, EvenCode };

std::string binaryLabel(int code)
{
    std::string label(4, '0');
    for (int bit = 0; bit < 4; ++bit)
        label[size_t(3 - bit)] = (code >> bit) & 1 ? '1' : '0';
    return label;
}

std::string hexLabel(int code)
{
    static constexpr char digits[] = "0123456789abcdef";
    return {digits[(code >> 4) & 15], digits[code & 15]};
}

bool tieGoesUp(const Level& lower, const Level& upper, Tie tie)
{
    switch (tie) {
    case Tie::Down:
        return false;
    case Tie::Up:
        return true;
    case Tie::TowardZero:
        return std::abs(upper.value) < std::abs(lower.value);
    case Tie::AwayFromZero:
        return std::abs(upper.value) > std::abs(lower.value);
    case Tie::EvenCode:
        return (upper.code & 1) == 0;
    }
    return false;
}

/// Sorts the levels and derives everything else. `limits`, where given, replace the midpoints.
Codebook finish(std::vector<Level> levels, float maxMagnitude, Tie tie, const std::vector<float>& limits = {})
{
    Codebook book;
    book.levels = std::move(levels);
    std::sort(book.levels.begin(), book.levels.end(), [](const Level& a, const Level& b) { return a.value < b.value; });
    for (size_t i = 0; i + 1 < book.levels.size(); ++i) {
        const Level& lower = book.levels[i];
        const Level& upper = book.levels[i + 1];
        const float limit = limits.empty() ? float((double(lower.value) + double(upper.value)) / 2) : limits[i];
        book.thresholds.push_back(tieGoesUp(lower, upper, tie) ? std::nextafter(limit, -INFINITY) : limit);
    }
    book.maxMagnitude = maxMagnitude;
    const auto beyond = [&](size_t end, size_t neighbour) {
        const float last = book.levels[end].value;
        return last + (last - book.levels[neighbour].value) / 2;
    };
    book.clipLo = beyond(0, 1);
    book.clipHi = beyond(book.levels.size() - 1, book.levels.size() - 2);
    return book;
}

/// Levels first..last; the stored code of a level is its value plus `offset`.
std::vector<Level> integerLevels(int first, int last, int offset = 0)
{
    std::vector<Level> levels;
    for (int v = first; v <= last; ++v)
        levels.push_back({float(v), v + offset, std::to_string(v)});
    return levels;
}

std::vector<Level> tableLevels(const std::vector<float>& values)
{
    std::vector<Level> levels;
    for (size_t i = 0; i < values.size(); ++i)
        levels.push_back({values[i], int(i), binaryLabel(int(i))});
    return levels;
}

/// Sign-magnitude 4-bit codes: bit 3 is the sign.
std::vector<Level> signedLevels(const std::array<float, 8>& magnitudes)
{
    std::vector<Level> levels;
    for (int code = 0; code < 16; ++code) {
        const float magnitude = magnitudes[size_t(code & 7)];
        if (code < 8)
            levels.push_back({magnitude, code, binaryLabel(code)});
        else if (magnitude != 0)
            levels.push_back({-magnitude, code, binaryLabel(code)});
    }
    return levels;
}

std::vector<Level> float8Levels(float (*decode)(uint8_t))
{
    std::vector<Level> levels;
    for (int code = 0; code < 256; ++code) {
        const float value = decode(uint8_t(code));
        if (std::isfinite(value) && code != 0x80)
            levels.push_back({value, code, hexLabel(code)});
    }
    return levels;
}

Codebook integerCodebook(const Scheme& scheme, int bits)
{
    const int top = (1 << (bits - 1)) - 1;
    const int steps = (1 << bits) - 1;
    if (scheme.symmetry == Symmetry::Asymmetric)
        return finish(integerLevels(0, steps), float(steps), Tie::EvenCode);
    if (scheme.range == CodeRange::Full)
        return finish(integerLevels(-top - 1, top), float(steps) / 2, Tie::EvenCode);
    return finish(integerLevels(-top, top), float(top), Tie::EvenCode);
}

Codebook nf4Codebook()
{
    // Decision limits as published with bitsandbytes: the midpoints of the table.
    static const std::vector<float> limits{-0.8480964004993439f,   -0.6106329262256622f,  -0.4599952697753906f,
                                           -0.33967943489551544f,  -0.23460740596055984f, -0.13791173323988914f,
                                           -0.045525018125772476f, 0.03979014977812767f,  0.1202552504837513f,
                                           0.2035212516784668f,    0.2920137718319893f,   0.3893125355243683f,
                                           0.5016634166240692f,    0.6427869200706482f,   0.8614784181118011f};
    return finish(tableLevels(nf4Table()), 1, Tie::Down, limits);
}

Codebook nf4QuantileCodebook()
{
    std::vector<float> values;
    const double top = inverseNormalCdf(15.5 / 16);
    for (int i = 0; i < 16; ++i)
        values.push_back(float(inverseNormalCdf((i + 0.5) / 16) / top));
    return finish(tableLevels(values), 1, Tie::Down);
}

Codebook nf4Sym15Codebook()
{
    return finish(tableLevels({-1.0f, -0.696f, -0.525f, -0.394f, -0.283f, -0.179f, -0.094f, 0.0f, 0.094f, 0.179f,
                               0.283f, 0.394f, 0.525f, 0.696f, 1.0f}),
                  1, Tie::Down);
}

/// bitsandbytes FP4: magnitudes in twelfths, decision limits on |y| as published.
Codebook fp4Codebook()
{
    static constexpr std::array<float, 7> pivots{0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f,
                                                 0.4166667f,  0.583333f,  0.8333333f};
    std::vector<float> limits;
    for (size_t i = pivots.size(); i-- > 0;)
        limits.push_back(-pivots[i]);
    limits.insert(limits.end(), pivots.begin(), pivots.end());
    const std::array<float, 8> magnitudes{0.0f,      0.0625f / 12, 8.0f / 12, 1.0f,
                                          4.0f / 12, 6.0f / 12,    2.0f / 12, 3.0f / 12};
    return finish(signedLevels(magnitudes), 1, Tie::TowardZero, limits);
}

Codebook e2m1Codebook(Tie tie)
{
    return finish(signedLevels({0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f}), 6, tie);
}

Codebook iq4NlCodebook()
{
    return finish(tableLevels({-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}), 127,
                  Tie::Up);
}

} // namespace

int Codebook::nearest(float y) const
{
    const float finite = std::isnan(y) ? 0.0f : y;
    return int(std::lower_bound(thresholds.begin(), thresholds.end(), finite) - thresholds.begin());
}

Codebook codebookFor(const Scheme& scheme)
{
    switch (scheme.format) {
    case Format::F32:
    case Format::F16:
    case Format::BF16:
        return {};
    case Format::Int2:
    case Format::Int3:
    case Format::Int4:
    case Format::Int5:
    case Format::Int6:
    case Format::Int7:
    case Format::Int8:
        return integerCodebook(scheme, traits(scheme.format).bits);
    case Format::NF4:
        return nf4Codebook();
    case Format::NF4Quantile:
        return nf4QuantileCodebook();
    case Format::NF4Sym15:
        return nf4Sym15Codebook();
    case Format::FP4:
        return fp4Codebook();
    case Format::E2M1:
    case Format::NVFP4:
        return e2m1Codebook(Tie::EvenCode);
    case Format::MXFP4:
        return e2m1Codebook(Tie::TowardZero);
    case Format::FP8E4M3:
        return finish(float8Levels(e4m3ToFloat), 448, Tie::EvenCode);
    case Format::FP8E5M2:
        return finish(float8Levels(e5m2ToFloat), 57344, Tie::EvenCode);
    case Format::Q4_0:
        return finish(integerLevels(-8, 7, 8), 8, Tie::Up);
    case Format::Q4_1:
        return finish(integerLevels(0, 15), 15, Tie::Up);
    case Format::Q5_0:
        return finish(integerLevels(-16, 15, 16), 16, Tie::Up);
    case Format::Q5_1:
        return finish(integerLevels(0, 31), 31, Tie::Up);
    case Format::Q8_0:
        return finish(integerLevels(-127, 127), 127, Tie::AwayFromZero);
    case Format::Q2_K:
        return finish(integerLevels(0, 3), 3, Tie::EvenCode);
    case Format::Q3_K:
        return finish(integerLevels(-4, 3, 4), 4, Tie::EvenCode);
    case Format::Q4_K:
        return finish(integerLevels(0, 15), 15, Tie::EvenCode);
    case Format::Q5_K:
        return finish(integerLevels(0, 31), 31, Tie::EvenCode);
    case Format::Q6_K:
        return finish(integerLevels(-32, 31, 32), 32, Tie::EvenCode);
    case Format::IQ4_NL:
    case Format::IQ4_XS:
        return iq4NlCodebook();
    }
    return {};
}

const std::vector<float>& nf4Table()
{
    static const std::vector<float> table{-1.0f,
                                          -0.6961928009986877f,
                                          -0.5250730514526367f,
                                          -0.39491748809814453f,
                                          -0.28444138169288635f,
                                          -0.18477343022823334f,
                                          -0.09105003625154495f,
                                          0.0f,
                                          0.07958029955625534f,
                                          0.16093020141124725f,
                                          0.24611230194568634f,
                                          0.33791524171829224f,
                                          0.44070982933044434f,
                                          0.5626170039176941f,
                                          0.7229568362236023f,
                                          1.0f};
    return table;
}

double inverseNormalCdf(double p)
{
    if (p > 0.5)
        return -inverseNormalCdf(1 - p);
    // The CDF is convex below 0, so Newton's method from 0 falls monotonically onto the root.
    double z = 0;
    for (int i = 0; i < 100; ++i) {
        const double cdf = 0.5 * std::erfc(-z / std::numbers::sqrt2);
        const double density = std::exp(-z * z / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
        const double step = (cdf - p) / density;
        z -= step;
        if (std::abs(step) <= 1e-15 * (1 + std::abs(z)))
            break;
    }
    return z;
}

std::vector<float> nf4FromDefinition()
{
    // Equally spaced probabilities in f32, filled from both ends as array libraries do: the published table was.
    const auto quantiles = [](int count) {
        constexpr float offset = 0.9677083f;
        const float step = (0.5f - offset) / float(count);
        std::vector<float> z;
        for (int i = 0; i < count; ++i) {
            const float p = i < (count + 1) / 2 ? offset + step * float(i) : 0.5f - step * float(count - i);
            z.push_back(float(inverseNormalCdf(double(p))));
        }
        return z;
    };
    std::vector<float> values = quantiles(8);
    for (const float z : quantiles(7))
        values.push_back(-z);
    values.push_back(0);
    std::sort(values.begin(), values.end());
    const float top = values.back();
    for (float& v : values)
        v /= top;
    return values;
}

} // namespace ql
