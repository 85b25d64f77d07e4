// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The dense kernels for the instruction set that the including file is compiled for, in namespace ql::QL_ISA. Eigen lies
// in a namespace of its own, so that the linker never joins its code with that of another instruction set.
#pragma once

#define QL_JOIN_(a, b) a##b
#define QL_JOIN(a, b) QL_JOIN_(a, b)
#define Eigen QL_JOIN(Eigen_, QL_ISA)
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>

#include "core/nn/densekernels.h"

#include <cmath>
#include <limits>

namespace ql::QL_ISA {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class M>
using StridedMap = Eigen::Map<M, 0, Eigen::OuterStride<>>;
using Packet = Eigen::internal::packet_traits<float>::type;
constexpr int64_t kLanes = Eigen::internal::packet_traits<float>::size;

inline StridedMap<const Matrix> mapOf(const ConstBlock& b)
{
    return {b.data, b.rows, b.cols, Eigen::OuterStride<>(b.stride)};
}

inline StridedMap<Matrix> mapOf(const MutableBlock& b)
{
    return {b.data, b.rows, b.cols, Eigen::OuterStride<>(b.stride)};
}

inline Packet all(float value)
{
    return Eigen::internal::pset1<Packet>(value);
}

/// Eigen takes other paths for tiny products, which depend on where the operands lie.
inline bool isTiny(int64_t rows, int64_t depth, int64_t cols)
{
    return rows + depth + cols < 24;
}

/// kX rows of x by kW rows of w over `depth` values: y += x w^T, each sum along packets. Nothing is packed first, which
/// few rows of x would not repay.
template <int kX, int kW>
inline void addDots(const ConstBlock& x, const ConstBlock& w, int64_t depth, const MutableBlock& y)
{
    using namespace Eigen::internal;
    Packet sums[kX][kW];
    _Pragma("GCC unroll 8") for (int i = 0; i < kX; ++i)
        _Pragma("GCC unroll 8") for (int j = 0; j < kW; ++j) sums[i][j] = all(0);
    const int64_t whole = depth / kLanes * kLanes;
    for (int64_t k = 0; k < whole; k += kLanes) {
        Packet b[kW];
        _Pragma("GCC unroll 8") for (int j = 0; j < kW; ++j) b[j] = ploadu<Packet>(w.data + j * w.stride + k);
        _Pragma("GCC unroll 8") for (int i = 0; i < kX; ++i) {
            const Packet a = ploadu<Packet>(x.data + i * x.stride + k);
            _Pragma("GCC unroll 8") for (int j = 0; j < kW; ++j) sums[i][j] = pmadd(a, b[j], sums[i][j]);
        }
    }
    _Pragma("GCC unroll 8") for (int i = 0; i < kX; ++i) {
        _Pragma("GCC unroll 8") for (int j = 0; j < kW; ++j) {
            float sum = predux(sums[i][j]);
            for (int64_t k = whole; k < depth; ++k)
                sum += x.data[i * x.stride + k] * w.data[j * w.stride + k];
            y.data[i * y.stride + j] += sum;
        }
    }
}

inline ConstBlock from(const ConstBlock& b, int64_t row, int64_t col)
{
    return {b.data + row * b.stride + col, b.rows - row, b.cols - col, b.stride};
}

/// All rows of x by kW rows of w.
template <int kW>
inline void addDotRows(const ConstBlock& x, const ConstBlock& w, int64_t depth, const MutableBlock& y)
{
    constexpr int kX = 4;
    int64_t row = 0;
    for (; row + kX <= x.rows; row += kX)
        addDots<kX, kW>(from(x, row, 0), w, depth, {y.data + row * y.stride, kX, kW, y.stride});
    for (; row < x.rows; ++row)
        addDots<1, kW>(from(x, row, 0), w, depth, {y.data + row * y.stride, 1, kW, y.stride});
}

inline void multiplyFewRows(const ConstBlock& x, const ConstBlock& w, const MutableBlock& y)
{
    constexpr int kW = kLanes == 16 ? 6 : 3; // all sums stay in registers
    constexpr int64_t kDepth = 1024;         // of both operands in the first cache
    mapOf(y).setZero();
    for (int64_t col = 0; col < w.rows;) {
        const int64_t width = col + kW <= w.rows ? kW : 1;
        for (int64_t k = 0; k < x.cols; k += kDepth) {
            const int64_t depth = x.cols - k < kDepth ? x.cols - k : kDepth;
            const MutableBlock part{y.data + col, x.rows, width, y.stride};
            width == kW ? addDotRows<kW>(from(x, 0, k), from(w, col, k), depth, part)
                        : addDotRows<1>(from(x, 0, k), from(w, col, k), depth, part);
        }
        col += width;
    }
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
