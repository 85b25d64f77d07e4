// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ClipTable: every clip method on one tensor side by side - limit, ratio, error - and a double click to adopt one.
#pragma once

#include "core/compute/analysis.h"

#include <QDialog>

class QLabel;
class QTableWidget;

namespace ql {

class ClipTable : public QDialog
{
    Q_OBJECT
public:
    explicit ClipTable(QWidget* parent);
    /// `caption` names model and tensor. `study` null: nothing known yet for this tensor and scheme.
    void setStudy(const QString& caption, const Shared<ClipStudy>& study);

Q_SIGNALS:
    void schemeChosen(const ql::Scheme& scheme);

private:
    void adopt(int row);

    Shared<ClipStudy> m_study;
    QLabel* m_caption;
    QTableWidget* m_table;
};

} // namespace ql
