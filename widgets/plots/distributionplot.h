// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// DistributionPlot: the histogram of a tensor with the code grid of a scheme on it, clip handles and method marks.
// Two x axes: weight values, or values in units of their group's scale, where one grid is exact for every group.
#pragma once

#include "core/compute/analysis.h"
#include "widgets/plots/binning.h"
#include "widgets/plots/clipmodel.h"
#include "widgets/plots/codegrid.h"
#include "widgets/plots/plotview.h"
#include "widgets/theme.h"

#include <optional>

namespace ql {

class DistributionPlot : public PlotView
{
    Q_OBJECT
public:
    enum class XMode { Values, ScaleUnits };
    enum class YMode { Density, Counts };
    enum Overlay { Codes = 1, Occupancy = 2, NormalFit = 4, Quantized = 8, Outliers = 16 };
    Q_DECLARE_FLAGS(Overlays, Overlay)

    /// Whose values these are; weights unless told otherwise.
    struct Subject {
        QString name;   ///< "Distribution of the weights", for accessibility
        QString axis;   ///< "Weight value"
        QString noun;   ///< "weight"
        QString symbol; ///< "w"
        Ink ink;
    };
    /// Where a method puts the limits, above the plot.
    struct MethodMark {
        QString text, tip;
        double high = 0;
        std::optional<double> low; ///< marked without a name
        bool chosen = false;
    };

    explicit DistributionPlot(QWidget* parent = nullptr);

    void setSubject(const Subject& subject);
    void clear();
    void setScheme(const Scheme& scheme);
    void setDistribution(const Shared<Distribution>& distribution);
    void setQuantization(const Shared<Quantization>& quantization);
    void setClipStudy(const Shared<ClipStudy>& study);
    void setMarks(std::vector<MethodMark> marks); ///< instead of those of a clip study; see markChosen
    /// Handles that stand for limits instead of a scheme's clip method: see limitsMoved. Nothing: no handles.
    void setLimits(std::optional<PlotRange> limits);
    void setPlain(); ///< no room for marks above
    void setHomeSigmas(double sigmas); ///< how far the first view reaches; 0: over the whole range

    XMode xMode() const { return m_xMode; }
    void setXMode(XMode mode);
    YMode yMode() const { return m_yMode; }
    void setYMode(YMode mode);
    void setLogarithmic(bool log);
    bool isLogarithmic() const { return isLogY(); }
    Overlays overlays() const { return m_overlays; }
    void setOverlays(Overlays overlays);

    const ClipModel& clip() const { return m_clip; }
    QPointF handlePixel(size_t index) const; ///< where handle 0 (low) or 1 (high) can be grabbed
    QPointF markPixel(size_t index) const;   ///< where method mark `index` can be clicked

    PlotTable table() const override;
    bool hasData() const override;
    QString summary() const override;

Q_SIGNALS:
    void schemeEdited(const ql::Scheme& scheme, bool finished);
    void limitsMoved(double lo, double hi, bool finished);
    void markChosen(int index);
    void rangeBrushed(double lo, double hi); ///< weight units; lo > hi: removed

protected:
    void paintLayer(Layer layer, QPainter& painter) override;
    QString readout(QPointF value) const override;
    PlotRange fitY(PlotRange x) const override;
    bool takeDrag(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    void dragTo(QPointF pixel) override;
    void dragEnd(bool cancelled) override;
    bool clicked(QPointF pixel, Qt::KeyboardModifiers modifiers) override;
    Qt::CursorShape cursorAt(QPointF pixel) const override;
    QString tipAt(QPointF pixel) const override;
    bool keyPressed(QKeyEvent* event) override;
    void keyReleaseEvent(QKeyEvent* event) override;
    bool focusNextPrevChild(bool next) override;

private:
    struct Mark {
        size_t index;  ///< in m_marks
        double at;     ///< x of its limit
        QRectF label;  ///< where its name stands, pixels
        QString text;
    };
    const Histogram* histogram() const;
    double unitOf(double columnWidth) const; ///< y of one value in a column
    double total() const;
    PlotRange gridEnds() const;      ///< the clip limits of every group, in scale units
    double toX(double weight) const; ///< weight units to the present x axis; limits of the median group in scale units
    double toWeight(double x) const;
    void updateAxes();
    std::vector<Mark> marks() const;
    std::optional<size_t> handleAt(QPointF pixel) const;
    std::optional<size_t> markAt(QPointF pixel) const;
    void moveHandle(size_t index, double weight, bool finished);
    void adoptPending();
    void adopt(size_t mark);
    void updateMarks();
    void updateGrid();
    Columns columns(PlotRange x) const;
    double clearTop(double left, double right) const; ///< pixels: no column between them reaches above
    void paintHistogram(QPainter& painter) const;
    void paintCurve(QPainter& painter) const;
    void paintQuantized(QPainter& painter) const;
    void paintClipped(QPainter& painter) const;
    void paintOutliers(QPainter& painter) const;
    void paintMarks(QPainter& painter) const;
    void paintHandles(QPainter& painter) const;
    void paintBrush(QPainter& painter) const;

    Scheme m_scheme;
    Shared<Distribution> m_distribution;
    Shared<Quantization> m_quantization;
    Shared<Quantization> m_pending; ///< arrived during a drag in scale units, where it would move the axis
    Shared<ClipStudy> m_study;
    Subject m_subject;
    std::vector<MethodMark> m_marks;
    ClipModel m_clip;
    CodeGrid m_grid;
    XMode m_xMode = XMode::Values;
    YMode m_yMode = YMode::Density;
    Overlays m_overlays = Overlays(Codes) | Occupancy | Outliers;
    double m_homeSigmas = 6;
    size_t m_focused = 1; ///< handle that the keyboard moves
    std::optional<size_t> m_dragged;
    bool m_brushing = false, m_keyEdit = false, m_dragMoved = false;
    double m_dragOffset = 0; ///< pixels between pointer and handle
    double m_brushLo = 1, m_brushHi = 0;
    Scheme m_before;
    std::optional<PlotRange> m_limits, m_limitsBefore;
};

Q_DECLARE_OPERATORS_FOR_FLAGS(DistributionPlot::Overlays)

} // namespace ql
