// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ExportDialog: what an export would write - format, place, sizes, fallbacks, warnings, free space - before it does.
#pragma once

#include "core/export/exporter.h"

#include <QDialog>

#include <map>

class QComboBox;
class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QPushButton;

namespace ql {

class ExportDialog : public QDialog
{
    Q_OBJECT
public:
    ExportDialog(std::shared_ptr<const Model> model, std::vector<Decision> decisions, QWidget* parent);
    QString path() const;
    ExportFormat format() const;

private:
    void refresh();

    std::shared_ptr<const Model> m_model;
    std::vector<Decision> m_decisions;
    std::map<ExportFormat, Result<ExportPlan>> m_plans; ///< made when a format is first chosen
    QComboBox* m_format;
    QLineEdit* m_path;
    QLabel* m_summary;
    QPlainTextEdit* m_details;
    QPushButton* m_write;
};

} // namespace ql
