// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Eigen and its vectors for the instruction set that the including file is compiled for, in namespace ql::QL_ISA. Eigen
// lies in a namespace of its own, so that the linker never joins its code with that of another instruction set.
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

} // namespace ql::QL_ISA
