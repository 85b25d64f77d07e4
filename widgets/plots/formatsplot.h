// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FormatsPlot: every format and common group size for one tensor, SQNR against bits per weight. Click to adopt.
#pragma once

#include "core/compute/analysis.h"
#include "widgets/plots/plotview.h"

#include <optional>

namespace ql {

class FormatsPlot : public PlotView
{
    Q_OBJECT
public:
    explicit FormatsPlot(QWidget* parent = nullptr);

    void setStudy(const Shared<FormatStudy>& study);
    void setScheme(const Scheme& scheme); ///< the present one gets a ring
    QPointF pointPixel(size_t index) const;

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

Q_SIGNALS:
    void schemeEdited(const ql::Scheme& scheme, bool finished);

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    bool clicked(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    Qt::CursorShape cursorAt(QPointF pixel) const override;
    bool keyPressed(QKeyEvent* event) override;

private:
    std::optional<size_t> pointAt(QPointF pixel) const;
    std::vector<size_t> front() const; ///< points that no other beats in both size and error
    void paintLabels(QPainter& painter) const;

    Shared<FormatStudy> m_study;
    Scheme m_scheme;
    int m_focused = -1; ///< point that the keyboard is on
};

} // namespace ql
