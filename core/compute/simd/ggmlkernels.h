// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// GGML blocks, sixteen at a time, one per lane: additions keep the order of the scalar quantizer, so the bytes are the
// same. The arithmetic is that of encodeGgmlBlock(); see lanes.h.
#pragma once

#include "core/compute/simd/gridkernels.h"

namespace ql::simd::QL_ISA {
namespace {

constexpr int kBlockValues = 32;

/// Value i of every block.
struct BlockLanes {
    float x[kBlockValues * kLanes];

    explicit BlockLanes(const void* blocks)
    {
        const char* data = static_cast<const char*>(blocks);
        for (int b = 0; b < kLanes; ++b) {
            for (int i = 0; i < kBlockValues; ++i)
                memcpy(&x[i * kLanes + b], data + (b * kBlockValues + i) * 4, 4);
        }
    }
    QL_INLINE Floats at(int i) const { return load(x + i * kLanes); }
};

QL_INLINE Ints isFinite(Floats x)
{
    return lessThan(abs(x), splat(__builtin_inff()));
}

/// The value of largest magnitude with its sign, the first one on ties.
QL_INLINE Floats signedLargest(const BlockLanes& block)
{
    Floats largest = splat(0.0f);
    for (int i = 0; i < kBlockValues; ++i) {
        const Floats v = block.at(i);
        largest = select(lessThan(abs(largest), abs(v)), v, largest);
    }
    return largest;
}

/// Weighted least-squares fit of a scale to the levels that x * inverse rounds to.
template <class Coder>
QL_INLINE void fitScale(const BlockLanes& block, Coder coder, Floats inverse, Floats& product, Floats& square)
{
    coder.inverse = inverse;
    product = square = splat(0.0f);
    for (int i = 0; i < kBlockValues; ++i) {
        const Floats v = block.at(i);
        const Floats q = coder.levelOf(v);
        const Floats weighted = v * v * q;
        product = product + weighted * v;
        square = square + weighted * q;
    }
}

template <class Coder>
Floats searchScale(const BlockLanes& block, const Coder& coder)
{
    const Floats zero = splat(0.0f);
    const Floats largest = signedLargest(block);
    Floats product, square;
    fitScale(block, coder, divide(splat(1.0f), divide(largest, splat(127.0f))), product, square);
    Floats d = divide(product, square);
    Floats best = d * product;
    for (int t = -7; t <= 7; ++t) {
        fitScale(block, coder, divide(splat(float(t) - 127.0f), largest), product, square);
        const Ints better = lessThan(zero, square) & lessThan(best * square, product * product);
        d = select(better, divide(product, square), d);
        best = select(better, d * product, best);
    }
    const Ints usable = isFinite(d) & ~lessThan(abs(largest), splat(1e-15f));
    return select(usable, d, zero);
}

/// Rounds halves away from zero.
QL_INLINE Floats roundAway(Floats y)
{
    Floats whole;
    const Ints truncated = truncate(y);
    QL_EACH whole.p[k] = __builtin_convertvector(truncated.p[k], PartF);
    const Ints beyond = ~lessThan(abs(y - whole), splat(0.5f));
    const Floats one = asFloats((bits(y) & splat(int32_t(0x80000000u))) | bits(splat(1.0f)));
    return whole + select(beyond, one, splat(0.0f));
}

/// Writes the codes and adds the error of all values; `step(v, code)` gives the code and returns its level.
template <class Step>
QL_INLINE void finishBlocks(const BlockLanes& block, const GgmlRule& rule, Floats scale, Floats inverse, Floats minimum,
                            Floats codeMinimum, GgmlBlocks* out, ErrorSums* sums, Step step)
{
    ErrorLanes lanes;
    Ints clipped = splat(0);
    for (int i = 0; i < kBlockValues; ++i) {
        const Floats v = block.at(i);
        const Floats y = (v - codeMinimum) * inverse;
        Ints code;
        const Floats level = step(y, code);
        storeBytes(out->codes + i * kLanes, code);
        lanes.add(v, scale * level + minimum);
        clipped = plusOneWhere(plusOneWhere(clipped, y, splat(rule.clipHi)), splat(rule.clipLo), y);
    }
    lanes.moveTo(sums);
    const float worst = maxLane(lanes.largest);
    sums->maxAbsError = worst > sums->maxAbsError ? worst : sums->maxAbsError;
    out->clipped = sumLanes(clipped);
    store(out->scale, scale);
    store(out->minimum, minimum);
}

void encodeGgml(const void* x, const GgmlRule& rule, const LookupCode* table, GgmlBlocks* out, ErrorSums* sums)
{
    const BlockLanes block(x);
    const Floats zero = splat(0.0f);
    Floats lowest = zero;
    Floats minimum = zero;
    Floats d;
    const GroupGrid none;
    if (rule.kind == GgmlRule::Signed) {
        d = divide(signedLargest(block), splat(-rule.half));
    } else if (rule.kind == GgmlRule::Minimum) {
        lowest = block.at(0);
        Floats highest = lowest;
        for (int i = 1; i < kBlockValues; ++i) {
            lowest = min(block.at(i), lowest);
            highest = max(block.at(i), highest);
        }
        d = divide(highest - lowest, splat(rule.top));
        minimum = roundSignedToHalf(lowest);
    } else if (rule.kind == GgmlRule::Q8) {
        d = divide(abs(signedLargest(block)), splat(127.0f));
    } else {
        LookupCoder<false, true> coder(none, *table);
        coder.scale = splat(1.0f);
        d = searchScale(block, coder);
    }
    Floats inverse = divide(splat(1.0f), d);
    inverse = select(isFinite(inverse), inverse, zero);
    const Floats scale = roundSignedToHalf(d);
    const auto finish = [&](auto step) {
        finishBlocks(block, rule, scale, inverse, minimum, lowest, out, sums, step);
    };
    if (rule.kind == GgmlRule::Q8) {
        finish([&](Floats y, Ints& code) {
            const Floats q = roundAway(max(min(y, splat(127.0f)), splat(-127.0f)));
            code = truncate(q);
            return q;
        });
    } else if (rule.kind == GgmlRule::Table) {
        LookupCoder<false, true> coder(none, *table);
        coder.scale = coder.inverse = splat(1.0f);
        finish([&](Floats y, Ints& code) { return coder.reconstruct(y, code); });
    } else {
        finish([&](Floats y, Ints& code) {
            code = truncate(min(max(y + splat(rule.offset), zero), splat(rule.top)));
            Floats level;
            QL_EACH level.p[k] = __builtin_convertvector(code.p[k], PartF);
            return level - splat(rule.half);
        });
    }
}

} // namespace
} // namespace ql::simd::QL_ISA
