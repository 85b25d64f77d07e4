// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FrontPlot: the least error for every size, with whole policies as labelled points and the budget as a line to drag.
// Clicking a point asks to adopt it, clicking the front moves the budget there. GUI thread.
#pragma once

#include "core/search/allocation.h"
#include "widgets/plots/plotview.h"

#include <optional>
#include <vector>

namespace ql {

class FrontPlot : public PlotView
{
    Q_OBJECT
public:
    using Point = AllocationProblem::FrontPoint;
    enum class Unit { Bits, Bytes };
    enum class Kind { Present, Preset, Saved };
    struct Mark {
        QString label;
        Kind kind = Kind::Preset;
        Point point;
        QString beyond = {}; ///< what it uses that the search may not; said where it lies below the front
    };

    explicit FrontPlot(QWidget* parent = nullptr);

    /// `parameters` of the whole model turn bytes into bits per weight; `measure` titles the other axis and is followed
    /// by its unit, if it has one, in `unit`.
    void setFront(std::vector<Point> front, uint64_t parameters, const QString& measure, const QString& unit);
    void setMarks(std::vector<Mark> marks);
    void setBudget(uint64_t bytes);
    void setFound(const std::optional<Point>& found); ///< what the budget gets
    void setUnit(Unit unit);
    void setLogarithmic(bool log) { setLogY(log); } ///< error axis
    QPointF markPixel(int mark) const;
    QPointF budgetPixel() const; ///< where the line can be taken hold of

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

Q_SIGNALS:
    void budgetMoved(quint64 bytes, bool finished);
    void markPicked(int mark);

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    bool takeDrag(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    void dragTo(QPointF pixel) override;
    void dragEnd(bool cancelled) override;
    bool clicked(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    Qt::CursorShape cursorAt(QPointF pixel) const override;
    bool keyPressed(QKeyEvent* event) override;

private:
    double xOf(uint64_t bytes) const;
    uint64_t bytesAt(double x) const; ///< within what the front covers
    QPointF pixelOf(const Point& point) const;
    std::optional<double> errorAt(uint64_t bytes) const; ///< of the front
    QString textOf(const Point& point) const;
    std::optional<size_t> markAt(QPointF pixel) const;
    bool isOnFront(QPointF pixel) const;
    bool isBelow(const Mark& mark) const; ///< smaller or better than anything on the front
    void fitHome();
    void nameAxes();
    void stepMarks(int step);
    QPolygonF line() const; ///< the front in pixels
    void paintFront(QPainter& painter) const;
    void paintMark(QPainter& painter, size_t mark) const;
    void paintMarks(QPainter& painter) const;
    void paintNames(QPainter& painter) const;
    void paintBudget(QPainter& painter) const;
    QColor inkOf(Kind kind) const;

    std::vector<Point> m_front;
    uint64_t m_parameters = 0;
    QString m_measure, m_measureUnit;
    Unit m_unit = Unit::Bits;
    double m_bytesPerUnit = 1; ///< of the x axis when it shows bytes
    QString m_bytesName;
    std::vector<Mark> m_marks;
    std::optional<Point> m_found;
    uint64_t m_budget = 0, m_budgetBefore = 0;
    double m_least = 0;  ///< smallest error above 0, where a logarithmic axis ends
    int m_focused = -1; ///< mark that the keyboard is on
};

} // namespace ql
