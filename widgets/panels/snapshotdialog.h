// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SnapshotDialog: name and note of a snapshot. A name is needed.
#pragma once

#include <QDialog>

class QLineEdit;

namespace ql {

class SnapshotDialog : public QDialog
{
    Q_OBJECT
public:
    SnapshotDialog(const QString& title, const QString& name, const QString& note, QWidget* parent = nullptr);

    QString name() const;
    QString note() const;

private:
    QLineEdit* m_name;
    QLineEdit* m_note;
};

} // namespace ql
