// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Products with few rows, for the instruction set that the including file is compiled for; see denseimpl.h.
#pragma once

#include "core/nn/densepackets.h"

namespace ql::QL_ISA {

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

} // namespace ql::QL_ISA
