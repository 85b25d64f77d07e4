// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ClipModel: where the clip handles stand, in weight units, and which scheme a moved handle stands for.
#pragma once

#include "core/compute/analysis.h"
#include "widgets/plots/plotrange.h"

#include <optional>
#include <vector>

namespace ql {

class ClipModel
{
public:
    void clear(); ///< of everything but whose limits these are
    void setScheme(const Scheme& scheme);
    void setRange(double min, double max); ///< of the whole tensor
    void setQuantization(const Shared<Quantization>& quantization);
    void setStudy(const Shared<ClipStudy>& study);
    /// From now on the handles stand here (nothing: there are none), whatever scheme and result say.
    void setOwn(std::optional<PlotRange> limits);
    bool isOwn() const { return m_own; }

    /// Lower and upper position in weight units; empty where the format has no choice or nothing is known yet.
    std::vector<double> handles() const;
    /// One parameter moves both handles: equal magnitudes when symmetric, equal shares of each side's range otherwise.
    bool linked() const { return m_scheme.symmetry == Symmetry::Symmetric; }
    /// The scheme that puts handle `index` at `position`: clip=abs for one scale per tensor, else clip=ratio of each
    /// group's own range as seen at the median group; a position outside the range is min-max. Four digits.
    Scheme moved(size_t index, double position) const;
    /// The own limits with handle `index` at `position`: both move when symmetric, else this one. Within the range of
    /// the values, around zero. Four digits.
    PlotRange ownMoved(size_t index, double position) const;
    /// Handles follow at once; they stay until a result for the moved scheme, or another scheme, arrives.
    void drag(size_t index, double position);

    double ratio() const; ///< share of the range that the handles keep; 1 without clipping
    /// Width between the handles / width of the last result: how far the grid runs ahead of it.
    double factor() const;
    double zeroPoint() const; ///< of the median group, in codes; of own limits the one they stand for

private:
    double resultRatio() const;
    double fullLimit(size_t index) const; ///< position of a handle without clipping
    double limitOf(size_t index) const;   ///< of the last result

    Scheme m_scheme;
    double m_min = 0, m_max = 0;
    Shared<Quantization> m_quantization;
    Shared<ClipStudy> m_study;
    std::optional<Scheme> m_dragged;
    bool m_own = false;
    std::optional<PlotRange> m_limits;
};

} // namespace ql
