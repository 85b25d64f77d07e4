// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// DistributionBar: the bar above a distribution plot - axis modes, overlays, copy and save - on every page that has one.
#pragma once

#include "widgets/plots/distributionplot.h"

#include <QList>
#include <QWidget>

class QAction;
class QHBoxLayout;
class QToolButton;

namespace ql {

class SegmentedChoice;

class DistributionBar : public QWidget
{
    Q_OBJECT
public:
    struct State {
        int xMode = 0;
        bool counts = false, logarithmic = false;
        quint32 overlays = 0;
    };

    explicit DistributionBar(DistributionPlot* plot, QWidget* parent = nullptr);

    void setXTips(const QString& values, const QString& scaleUnits);
    void insert(QWidget* widget); ///< after the controls
    State state() const;
    void setState(const State& state);

private:
    void addOverlays();
    void setXMode(int index);

    DistributionPlot* m_plot;
    QHBoxLayout* m_row;
    SegmentedChoice* m_xMode;
    QToolButton *m_counts, *m_log, *m_overlays;
    QList<QAction*> m_overlayActions;
};

} // namespace ql
