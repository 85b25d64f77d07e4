// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PlotView: axes, gestures, crosshair, keyboard and export that every plot shares; a subclass paints layers in pixels
// and answers questions. The plot library draws axes and keeps one buffer per layer. GUI thread.
#pragma once

#include "core/base/result.h"
#include "widgets/plots/plotrange.h"
#include "widgets/plots/plottable.h"

#include <QImage>
#include <QWidget>

#include <memory>

class QPainter;

namespace ql {

class PlotView : public QWidget
{
    Q_OBJECT
public:
    explicit PlotView(QWidget* parent = nullptr);
    ~PlotView() override;

    /// What is shown: model, tensor, scheme. Goes below exported pictures and into CSV files.
    void setCaption(const QString& caption);
    QString caption() const;
    void setEmptyText(const QString& text); ///< said while there is no data
    void setPreview(bool preview);          ///< marks the picture as made from a sample
    void setPreviewText(const QString& text); ///< how it is marked; empty: not at all

    PlotRange xRange() const;
    PlotRange yRange() const;
    void setView(PlotRange x, PlotRange y); ///< as if zoomed there by hand
    bool isZoomed() const;
    void resetView();
    QPointF toPixel(double x, double y) const;
    QPointF toValue(QPointF pixel) const;
    QRect plotArea() const; ///< the rectangle inside the axes

    virtual PlotTable table() const = 0; ///< the data of what is visible
    virtual bool hasData() const = 0;
    virtual QString summary() const = 0; ///< one or two sentences for screen readers

    Status savePicture(const QString& path); ///< .png or .svg; CannotWrite, InvalidArgument
    Status saveCsv(const QString& path);     ///< CannotWrite
    void copyPicture();
    void copyData();
    void showTable(); ///< opens a window with table()
    QImage picture(QSize size, double scale);

    QSize minimumSizeHint() const override { return {240, 140}; }
    QSize sizeHint() const override { return {640, 300}; }

Q_SIGNALS:
    void viewChanged();
    void exportFailed(const QString& message);

protected:
    /// In painting order. Codes, Handles and Overlay have own buffers and can be repainted alone.
    enum class Layer { Back, Data, Codes, Handles, Overlay };
    virtual void paintLayer(Layer layer, QPainter& painter) = 0;
    virtual QString readout(QPointF value) const = 0; ///< beside the crosshair; empty for none
    virtual PlotRange fitY(PlotRange x) const = 0;    ///< y range for this x range while y is not zoomed by hand
    virtual void restyled() {}                        ///< colours have changed

    // Gestures. Positions are pixels of this widget.
    virtual bool takeDrag(QPointF, Qt::KeyboardModifiers) { return false; } ///< take a left drag that starts here
    virtual void dragTo(QPointF) {}
    virtual void dragEnd(bool /*cancelled*/) {}
    virtual bool clicked(QPointF, Qt::KeyboardModifiers) { return false; }
    virtual Qt::CursorShape cursorAt(QPointF) const { return Qt::ArrowCursor; }
    virtual QString tipAt(QPointF) const { return {}; } ///< what is under the pointer, with definition and unit
    virtual bool keyPressed(QKeyEvent*) { return false; }

    void setTitles(const QString& x, const QString& y);
    void setHomeX(PlotRange x);
    void setLogX(bool log);         ///< set the home range anew afterwards
    bool isLogX() const;
    void setLogY(bool log);
    bool isLogY() const;
    void setFreeY(bool free);       ///< wheel and drag move both axes
    void setDownwardY();            ///< rows of a matrix: zero is at the top
    void setRowAxis(int leftMargin);///< y counts rows from the top; the plot writes their names into the margin itself
    void setWholeTicksX();          ///< the axis counts things: no ticks between whole numbers
    void setBounds(PlotRange x, PlotRange y); ///< zoom and pan never leave them
    void setRightMargin(int pixels);
    void setTopMargin(int pixels);  ///< room above the axes for marks
    void setCategories(const QStringList& labels); ///< x ticks 0, 1, 2, ... with these labels; empty: numbers
    void refresh();                 ///< everything, once, at the next turn of the event loop
    void refresh(Layer layer);      ///< one buffered layer, now
    void dataChanged();             ///< fits y, tells accessibility, refreshes
    /// Text with a halo of the background, so that lines behind do not disturb it.
    void drawLabel(QPainter& painter, QPointF at, Qt::Alignment alignment, const QString& text, QColor colour) const;

    bool event(QEvent* event) override;
    void changeEvent(QEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    struct Private;
    void addExportActions();
    void style();
    void setX(PlotRange x);
    void setY(PlotRange y);
    void updateY();
    void zoom(QPointF pixel, double factor, bool x, bool y);
    void pan(QPointF delta);
    void zoomToBox();
    void paintOverlay(QPainter& painter);
    void paintCrosshair(QPainter& painter, const QRectF& area);
    void popupMenu(const QPoint& global);

    std::unique_ptr<Private> d;
};

} // namespace ql
