// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The dense kernels for the instruction set that the including file is compiled for, in namespace ql::QL_ISA.
#pragma once

#include "core/nn/densefewrows.h"

namespace ql::QL_ISA {

/// Eigen takes other paths for tiny products, which depend on where the operands lie.
inline bool isTiny(int64_t rows, int64_t depth, int64_t cols)
{
    return rows + depth + cols < 24;
}

inline void multiplyTransposed(const ConstBlock& x, const ConstBlock& w, const MutableBlock& y)
{
    constexpr int64_t kFewRows = 64, kLeastDepth = 256;
    if (x.rows <= kFewRows && x.cols >= kLeastDepth)
        return multiplyFewRows(x, w, y);
    if (!isTiny(x.rows, x.cols, w.rows)) {
        mapOf(y).noalias() = mapOf(x) * mapOf(w).transpose();
        return;
    }
    for (int64_t r = 0; r < y.rows; ++r) {
        for (int64_t c = 0; c < y.cols; ++c) {
            float sum = 0;
            for (int64_t k = 0; k < x.cols; ++k)
                sum += x.data[r * x.stride + k] * w.data[c * w.stride + k];
            y.data[r * y.stride + c] = sum;
        }
    }
}

inline void multiply(const ConstBlock& x, const ConstBlock& v, const MutableBlock& y)
{
    if (!isTiny(x.rows, x.cols, v.cols)) {
        mapOf(y).noalias() = mapOf(x) * mapOf(v);
        return;
    }
    for (int64_t r = 0; r < y.rows; ++r) {
        for (int64_t c = 0; c < y.cols; ++c) {
            float sum = 0;
            for (int64_t k = 0; k < x.cols; ++k)
                sum += x.data[r * x.stride + k] * v.data[k * v.stride + c];
            y.data[r * y.stride + c] = sum;
        }
    }
}

/// Whole packets from the first value on, wherever it lies in memory, so that results do not depend on addresses; the
/// last packet is filled up with `filler`. `visit` may change the packet.
template <class Visit>
void forEachPacket(float* values, int64_t count, float filler, const Visit& visit)
{
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
        Packet p = Eigen::internal::ploadu<Packet>(values + i);
        visit(p);
        Eigen::internal::pstoreu(values + i, p);
    }
    if (i == count)
        return;
    float last[kLanes];
    for (int64_t k = 0; k < kLanes; ++k)
        last[k] = i + k < count ? values[i + k] : filler;
    Packet p = Eigen::internal::ploadu<Packet>(last);
    visit(p);
    Eigen::internal::pstoreu(last, p);
    for (int64_t k = 0; i + k < count; ++k)
        values[i + k] = last[k];
}

inline void silu(Packet& x)
{
    using namespace Eigen::internal;
    x = pdiv(x, padd(all(1), pexp(pnegate(x))));
}

inline void geluTanh(Packet& x)
{
    using namespace Eigen::internal;
    const Packet cube = pmul(pmul(x, x), x);
    const Packet inner = pmul(all(0.7978845608028654f), padd(x, pmul(all(0.044715f), cube)));
    x = pmul(pmul(all(0.5f), x), padd(all(1), ptanh(inner)));
}

inline void activate(Activation activation, float* values, int64_t count)
{
    switch (activation) {
    case Activation::Silu: return forEachPacket(values, count, 0, silu);
    case Activation::GeluTanh: return forEachPacket(values, count, 0, geluTanh);
    case Activation::Gelu:
        for (int64_t i = 0; i < count; ++i)
            values[i] = 0.5f * values[i] * (1.0f + ::erff(values[i] * 0.70710678118654752f));
        return;
    case Activation::Relu:
        for (int64_t i = 0; i < count; ++i)
            values[i] = values[i] > 0 ? values[i] : 0;
        return;
    }
}

inline void softcap(float cap, float* values, int64_t count)
{
    using namespace Eigen::internal;
    forEachPacket(values, count, 0, [cap](Packet& x) { x = pmul(all(cap), ptanh(pdiv(x, all(cap)))); });
}

inline void softmax(float* values, int64_t count)
{
    using namespace Eigen::internal;
    Packet largest = all(values[0]);
    forEachPacket(values, count, values[0], [&](Packet& x) { largest = pmax(largest, x); });
    const Packet top = all(predux_max(largest));
    Packet sums = all(0);
    forEachPacket(values, count, -std::numeric_limits<float>::infinity(), [&](Packet& x) {
        x = pexp(psub(x, top));
        sums = padd(sums, x);
    });
    const Packet share = all(1.0f / predux(sums));
    forEachPacket(values, count, 0, [&](Packet& x) { x = pmul(x, share); });
}

} // namespace ql::QL_ISA
