// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PlotView: pictures, CSV, clipboard and the data as a table.
#include "widgets/plots/plotview_p.h"

#include "widgets/plots/tabledialog.h"
#include "widgets/theme.h"

#include <QAction>
#include <QApplication>
#include <QBuffer>
#include <QClipboard>
#include <QFileDialog>
#include <QFileInfo>
#include <QImage>
#include <QMimeData>
#include <QSaveFile>
#include <QSvgGenerator>

namespace ql {
namespace {

constexpr double kPictureScale = 2; // sharp on slides and in print

Status writeFile(const QString& path, const QByteArray& bytes)
{
    QSaveFile file(path);
    if (file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size() && file.commit())
        return {};
    return Error{ErrorCode::CannotWrite, "cannot be written: " + file.errorString().toStdString() +
                                             "; choose another folder", path.toStdString()};
}

QString fileStem(const QString& caption)
{
    QString stem;
    for (const QChar c : caption)
        stem += c.isLetterOrNumber() || c == '.' || c == '-' ? c : QChar('_');
    while (stem.contains("__"))
        stem.replace("__", "_");
    return stem.isEmpty() ? QString("plot") : stem.left(80);
}

} // namespace

void PlotView::addExportActions()
{
    const auto add = [this](const QString& icon, const QString& text, const QKeySequence& key, auto run) {
        auto* action = new QAction(theme::icon(icon), text, this);
        action->setShortcut(key);
        action->setShortcutContext(Qt::WidgetShortcut);
        connect(action, &QAction::triggered, this, run);
        addAction(action);
    };
    const auto save = [this](const QString& title, const QString& suffix, const QString& filter) {
        const QString path = QFileDialog::getSaveFileName(this, title, fileStem(d->caption) + suffix, filter);
        if (path.isEmpty())
            return;
        const Status status = suffix == ".csv" ? saveCsv(path) : savePicture(path);
        if (!status)
            Q_EMIT exportFailed(QString::fromStdString(status.error().text()));
    };
    add("reset", tr("Reset zoom"), {}, [this] { resetView(); });
    add("copy", tr("Copy picture"), QKeySequence::Copy, [this] { copyPicture(); });
    add("copy", tr("Copy data"), {"Ctrl+Shift+C"}, [this] { copyData(); });
    add("picture", tr("Save picture as PNG…"), {}, [=] { save(tr("Save picture"), ".png", tr("PNG (*.png)")); });
    add("picture", tr("Save picture as SVG…"), {}, [=] { save(tr("Save picture"), ".svg", tr("SVG (*.svg)")); });
    add("save", tr("Save data as CSV…"), {}, [=] { save(tr("Save data"), ".csv", tr("CSV (*.csv)")); });
    add("table", tr("Show data as table"), {}, [this] { showTable(); });
}

QImage PlotView::picture(QSize size, double scale)
{
    const QFontMetrics metrics(theme::smallFont());
    const int footer = d->caption.isEmpty() ? 0 : metrics.height() + 8;
    d->exporting = true;
    const QPixmap plot = d->canvas->toPixmap(size.width(), size.height() - footer, scale);
    d->exporting = false;
    QImage image(size * scale, QImage::Format_ARGB32_Premultiplied);
    image.setDevicePixelRatio(scale);
    image.fill(theme::color(Ink::PlotBackground));
    QPainter painter(&image);
    QImage body = plot.toImage();
    body.setDevicePixelRatio(scale);
    painter.drawImage(QPointF(0, 0), body);
    painter.setFont(theme::smallFont());
    painter.setPen(theme::color(Ink::Muted));
    painter.drawText(QRectF(12, size.height() - footer, size.width() - 24, footer), Qt::AlignLeft | Qt::AlignVCenter,
                     metrics.elidedText(d->caption, Qt::ElideMiddle, size.width() - 24));
    return image;
}

Status PlotView::savePicture(const QString& path)
{
    const QString suffix = QFileInfo(path).suffix().toLower();
    QBuffer buffer;
    buffer.open(QIODevice::WriteOnly);
    if (suffix == "png") {
        picture(size(), kPictureScale).save(&buffer, "PNG");
        return writeFile(path, buffer.data());
    }
    if (suffix != "svg")
        return Error{ErrorCode::InvalidArgument, "pictures are saved as .png or .svg; change the ending",
                     path.toStdString()};
    const int footer = QFontMetrics(theme::smallFont()).height() + 8;
    QSvgGenerator generator;
    generator.setOutputDevice(&buffer);
    generator.setSize(QSize(width(), height() + footer));
    generator.setViewBox(QRect(0, 0, width(), height() + footer));
    generator.setTitle(d->caption);
    generator.setDescription(summary());
    {
        QCPPainter painter;
        painter.begin(&generator);
        painter.setMode(QCPPainter::pmVectorized);
        painter.setMode(QCPPainter::pmNoCaching);
        painter.fillRect(QRect(0, 0, width(), height() + footer), theme::color(Ink::PlotBackground));
        d->exporting = true;
        d->canvas->toPainter(&painter, width(), height());
        d->exporting = false;
        painter.setClipping(false);
        painter.setFont(theme::smallFont());
        painter.setPen(theme::color(Ink::Muted));
        painter.drawText(QRectF(12, height(), width() - 24, footer), Qt::AlignLeft | Qt::AlignVCenter, d->caption);
        painter.end();
    }
    return writeFile(path, buffer.data());
}

Status PlotView::saveCsv(const QString& path)
{
    return writeFile(path, table().csv(d->caption));
}

void PlotView::copyPicture()
{
    QApplication::clipboard()->setImage(picture(size(), kPictureScale));
}

void PlotView::copyData()
{
    QApplication::clipboard()->setText(QString::fromUtf8(table().csv(d->caption)));
}

void PlotView::showTable()
{
    auto* dialog = new TableDialog(table(), d->caption, this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->show();
}

} // namespace ql
