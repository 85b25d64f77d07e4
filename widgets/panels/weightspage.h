// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// WeightsPage: the distribution of one tensor with the code grid on it, and a second plot below.
// Shows immutable results; emits wishes; never computes.
#pragma once

#include "core/compute/analysis.h"

#include <QWidget>

#include <memory>

namespace ql {

enum class SecondPlot { ClipSweep, Error, Occupancy, Formats, Channels };

class WeightsPage : public QWidget
{
    Q_OBJECT
public:
    explicit WeightsPage(QWidget* parent = nullptr);
    ~WeightsPage() override;

    /// Clears all results. `caption` names model and tensor; `part` a picked channel or group, empty for the whole.
    void setSubject(const QString& caption, const QString& part, const Scheme& scheme);
    void setScheme(const Scheme& scheme); ///< keeps what is still valid
    void setDistribution(Shared<Distribution> distribution);
    void setQuantization(Shared<Quantization> quantization);
    void setClipStudy(Shared<ClipStudy> study);
    void setFormatStudy(Shared<FormatStudy> study);
    void setChannelStudy(Shared<ChannelStudy> study); ///< always of the whole tensor
    void setPickedChannel(qint64 row); ///< marked among the channels; -1: none
    void setFailure(const QString& message); ///< instead of plots: why there is nothing to see

    SecondPlot secondPlot() const;
    void setSecondPlot(SecondPlot plot);
    QByteArray saveState() const; ///< axis modes, overlays, splitter
    void restoreState(const QByteArray& state);

Q_SIGNALS:
    /// Clip handles, method marks and points of the formats plot. `finished` is false during a drag.
    void schemeEdited(const ql::Scheme& scheme, bool finished);
    void secondPlotChanged(ql::SecondPlot plot); ///< so that only what is visible is computed
    void channelPicked(qint64 row);              ///< -1: back to the whole tensor
    void rangeBrushed(double lo, double hi);     ///< lo > hi: brush removed

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
