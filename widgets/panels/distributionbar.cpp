// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/distributionbar.h"

#include "widgets/panels/plotbar.h"
#include "widgets/panels/segmentedchoice.h"

#include <QAction>
#include <QHBoxLayout>
#include <QMenu>
#include <QToolButton>

namespace ql {

DistributionBar::DistributionBar(DistributionPlot* plot, QWidget* parent)
    : QWidget(parent)
    , m_plot(plot)
    , m_row(plotbar::row())
    , m_xMode(new SegmentedChoice({tr("Values"), tr("Scale units")}))
    , m_counts(plotbar::toggle(tr("Counts"), tr("Vertical axis: values per bin instead of density")))
    , m_log(plotbar::toggle(tr("Log"), tr("Logarithmic vertical axis: shows the tails")))
    , m_overlays(plotbar::toggle(tr("Overlays ▾"), tr("What is drawn on top of the histogram")))
{
    m_xMode->setRoomy();
    m_xMode->setAccessibleName(tr("Horizontal axis"));
    m_overlays->setCheckable(false);
    m_overlays->setPopupMode(QToolButton::InstantPopup);
    m_overlays->setMenu(new QMenu(m_overlays));
    addOverlays();
    QToolButton* menu = plotbar::menu(tr("Copy or save this plot"));
    menu->menu()->addActions(plot->actions());
    for (QWidget* widget : std::initializer_list<QWidget*>{m_xMode, m_counts, m_log, m_overlays})
        m_row->addWidget(widget);
    m_row->addStretch();
    m_row->addWidget(menu);
    setLayout(m_row);
    connect(m_xMode, &SegmentedChoice::chosen, this, &DistributionBar::setXMode);
    connect(m_counts, &QToolButton::toggled, plot, [plot](bool on) {
        plot->setYMode(on ? DistributionPlot::YMode::Counts : DistributionPlot::YMode::Density);
    });
    connect(m_log, &QToolButton::toggled, plot, &DistributionPlot::setLogarithmic);
    setXMode(0);
}

void DistributionBar::addOverlays()
{
    const std::pair<DistributionPlot::Overlay, QString> entries[] = {
        {DistributionPlot::Codes, tr("Code grid")},
        {DistributionPlot::Occupancy, tr("Occupancy of the codes")},
        {DistributionPlot::Outliers, tr("Values beyond the view")},
        {DistributionPlot::NormalFit, tr("Normal distribution with the same mean and deviation")},
        {DistributionPlot::Quantized, tr("Quantized distribution")},
    };
    for (const auto& [overlay, text] : entries) {
        QAction* action = m_overlays->menu()->addAction(text);
        action->setCheckable(true);
        action->setChecked(m_plot->overlays().testFlag(overlay));
        action->setData(quint32(overlay));
        m_overlayActions << action;
        connect(action, &QAction::toggled, m_plot, [plot = m_plot, flag = overlay](bool on) {
            DistributionPlot::Overlays now = plot->overlays();
            plot->setOverlays(now.setFlag(flag, on));
        });
    }
}

void DistributionBar::setXTips(const QString& values, const QString& scaleUnits)
{
    m_xMode->setOptionToolTip(0, values);
    m_xMode->setOptionToolTip(1, scaleUnits);
}

void DistributionBar::insert(QWidget* widget)
{
    m_row->insertWidget(m_row->count() - 2, widget);
}

void DistributionBar::setXMode(int index)
{
    m_xMode->setCurrent(index);
    m_plot->setXMode(index == 1 ? DistributionPlot::XMode::ScaleUnits : DistributionPlot::XMode::Values);
}

DistributionBar::State DistributionBar::state() const
{
    return {m_xMode->current(), m_counts->isChecked(), m_log->isChecked(), quint32(m_plot->overlays())};
}

void DistributionBar::setState(const State& state)
{
    setXMode(state.xMode == 1 ? 1 : 0);
    m_counts->setChecked(state.counts);
    m_log->setChecked(state.logarithmic);
    for (QAction* action : m_overlayActions)
        action->setChecked(state.overlays & action->data().toUInt());
}

} // namespace ql
