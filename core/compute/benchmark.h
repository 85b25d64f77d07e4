// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The speed figures of this program on this machine, as ratios to its read bandwidth R (sum of a large f32 array on all
// cores), each measured interleaved with R and given as a median.
#pragma once

#include "core/compute/backend.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ql {

struct BenchFigure {
    std::string name;  ///< what is measured
    double value = 0;  ///< in `unit`
    std::string unit;  ///< "GB/s" of f32 values, "ms", "x"
    double ratio = 0;  ///< what `goal` speaks of: to R, to the same pass over f32, to the plain C++; 0 where none applies
    std::string ratioTo; ///< "R", "f32", "scalar", "C++"
    double goal = 0;     ///< 0 where none is set
    bool atMost = false; ///< the goal is an upper limit on `value`

    bool met() const { return goal == 0 || (atMost ? value <= goal : ratio >= goal); }
};

using BenchPass = std::function<Status()>;
struct BenchTiming {
    double first = 0, second = 0; ///< median seconds of two passes
    double ratio = 0;             ///< median of first / second
};
/// Times two passes in turn, after one round that warms caches and page tables.
Result<BenchTiming> interleavePasses(const BenchPass& first, const BenchPass& second, int repeats,
                                     const std::stop_token& stop);

/// Measures every figure on `values` values (a multiple of 1 Mi; 64 Mi for figures to publish) with `repeats` rounds.
/// `openCl` may be null. `part`: streams, halves, ggml or opencl; all without. Cancelled; whatever the backends fail with.
Result<std::vector<BenchFigure>> measureFigures(Backend& cpu, Backend* openCl, int64_t values, int repeats,
                                                const JobControl& job, std::string_view part = {});

/// One line per figure, with goal and "pass" or "miss".
std::string figuresAsText(const std::vector<BenchFigure>& figures);
/// {"figures":[{"name","value","unit","ratio","ratio_to","goal","met"}]}
std::string figuresAsJson(const std::vector<BenchFigure>& figures);

} // namespace ql
