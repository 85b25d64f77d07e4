// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// NumbersTable: a small read-only table of figures - rows are chosen whole, Return or a double click activates one,
// Ctrl+C copies all of it as CSV, and an empty one says what will appear.
#pragma once

#include <QTableView>

namespace ql {

class NumbersTable : public QTableView
{
    Q_OBJECT
public:
    explicit NumbersTable(QWidget* parent = nullptr);

    void setModel(QAbstractItemModel* model) override;
    /// Of each column, in digits; `stretched` takes the rest (-1: none does).
    void setWidths(const QList<int>& characters, int stretched = -1);
    void setEmptyText(const QString& text);
    QByteArray csv() const; ///< what is displayed, with the header

protected:
    void paintEvent(QPaintEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    void copy();

    QString m_emptyText;
};

} // namespace ql
