// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ExportDialog: the sheet before an export - format and options, place and free room, what becomes of every tensor,
// fallbacks that can be refused, warnings, and about how long it will take. Writes nothing itself.
#pragma once

#include "core/export/exporter.h"

#include <QDialog>

#include <map>
#include <memory>

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QFormLayout;
class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QPushButton;

namespace ql {

class NumbersTable;
class PlanModel;
class RemarkFilter;

class ExportDialog : public QDialog
{
    Q_OBJECT
public:
    /// `settings`: what the options begin with; `folder`: where a target is proposed.
    ExportDialog(std::shared_ptr<const Model> model, const ExportOptions& settings, const QString& folder, QWidget* parent);
    QString path() const;
    ExportOptions options() const;
    const PlanModel* table() const { return m_plan; }
    bool refusesFallbacks() const;
    /// The answer to planWanted. Errors say why the format cannot be written.
    using Plan = Result<std::shared_ptr<const ExportPlan>>;
    void setPlan(const ExportOptions& options, const Plan& plan);
    /// Seconds that the export of the plan shown will take; nothing: not known, and why.
    void setEstimate(std::optional<double> seconds, const QString& device, const QString& why = {});

Q_SIGNALS:
    void planWanted(const ql::ExportOptions& options); ///< of several only the last counts
    void estimateWanted(const std::shared_ptr<const ql::ExportPlan>& plan); ///< another plan is shown

private:
    using Key = std::tuple<ExportFormat, uint64_t, bool>; ///< what a plan depends on
    QFormLayout* buildForm();
    void buildTable();
    void connectInputs();
    void formatChanged();
    void chooseTarget();
    void refresh();
    void showWaiting();
    void showPlan(const ExportPlan& plan);
    void showTarget(const ExportPlan& plan);
    void refuse(const QString& why); ///< "Write" says why it cannot; empty: it can

    std::shared_ptr<const Model> m_model;
    ExportOptions m_settings;
    QString m_folder;
    std::map<Key, Plan> m_plans; ///< a plan may read a large tokenizer; typing a path must not wait for it
    std::optional<Key> m_shown, m_asked;
    QFormLayout* m_form = nullptr;
    QComboBox* m_format;
    QLineEdit* m_path;
    QDoubleSpinBox* m_shard;
    QCheckBox* m_gptqV2;
    QCheckBox* m_replace;
    QCheckBox* m_refuse;
    QLabel* m_summary;
    QLabel* m_estimate;
    PlanModel* m_plan;
    RemarkFilter* m_filter;
    NumbersTable* m_table;
    QCheckBox* m_remarks;
    QPlainTextEdit* m_warnings;
    QLabel* m_problem;
    QPushButton* m_write;
};

} // namespace ql
