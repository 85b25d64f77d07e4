// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/numberstable.h"

#include "widgets/plots/plottable.h"
#include "widgets/theme.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QHeaderView>
#include <QKeyEvent>
#include <QPainter>

namespace ql {

NumbersTable::NumbersTable(QWidget* parent) : QTableView(parent)
{
    setSelectionBehavior(SelectRows);
    setSelectionMode(SingleSelection);
    setEditTriggers(NoEditTriggers);
    setShowGrid(false);
    setTabKeyNavigation(false);
    setWordWrap(false);
    setFrameShape(QFrame::NoFrame);
    setFont(theme::numberFont());
    setStyleSheet(QStringLiteral("QTableView { border: none; } QTableView::item { border: none; padding: 0 3px; }"));
    verticalHeader()->hide();
    horizontalHeader()->setHighlightSections(false);
    horizontalHeader()->setFont(theme::smallFont());
    auto* action = new QAction(theme::icon("copy"), tr("Copy data"), this);
    connect(action, &QAction::triggered, this, &NumbersTable::copy);
    addAction(action);
    setContextMenuPolicy(Qt::ActionsContextMenu);
}

void NumbersTable::setModel(QAbstractItemModel* model)
{
    QTableView::setModel(model);
    verticalHeader()->setDefaultSectionSize(fontMetrics().height() + theme::kSpacing);
    connect(model, &QAbstractItemModel::modelReset, viewport(), qOverload<>(&QWidget::update));
}

void NumbersTable::setWidths(const QList<int>& characters, int stretched)
{
    const int zero = QFontMetrics(theme::numberFont()).horizontalAdvance(QLatin1Char('0'));
    for (int column = 0; column < characters.size(); ++column)
        setColumnWidth(column, characters[column] * zero + 12);
    if (stretched >= 0)
        horizontalHeader()->setSectionResizeMode(stretched, QHeaderView::Stretch);
}

void NumbersTable::setEmptyText(const QString& text)
{
    m_emptyText = text;
    setAccessibleDescription(text);
    viewport()->update();
}

QByteArray NumbersTable::csv() const
{
    PlotTable numbers;
    for (int column = 0; column < model()->columnCount(); ++column)
        numbers.header << model()->headerData(column, Qt::Horizontal).toString();
    for (int row = 0; row < model()->rowCount(); ++row) {
        QStringList cells;
        for (int column = 0; column < model()->columnCount(); ++column)
            cells << model()->index(row, column).data().toString().replace(QChar(0x2212), QLatin1Char('-'));
        numbers.rows.push_back(cells);
    }
    return numbers.csv({});
}

void NumbersTable::copy()
{
    QApplication::clipboard()->setText(QString::fromUtf8(csv()));
}

/// The base class would copy one cell only.
void NumbersTable::keyPressEvent(QKeyEvent* event)
{
    if (event->matches(QKeySequence::Copy))
        copy();
    else
        QTableView::keyPressEvent(event);
}

void NumbersTable::paintEvent(QPaintEvent* event)
{
    QTableView::paintEvent(event);
    if (!model() || model()->rowCount() > 0)
        return;
    QPainter painter(viewport());
    painter.setFont(QApplication::font());
    painter.setPen(theme::color(Ink::Muted));
    painter.drawText(viewport()->rect().adjusted(16, 8, -16, -8), Qt::AlignCenter | Qt::TextWordWrap, m_emptyText);
}

} // namespace ql
