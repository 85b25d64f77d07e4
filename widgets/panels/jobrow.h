// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// JobRow: one line of JobBar: label, progress, figures, cancel.
#pragma once

#include <QWidget>

#include <optional>

class QLabel;
class QProgressBar;
class QToolButton;

namespace ql {

class ElidedLabel;

class JobRow : public QWidget
{
    Q_OBJECT
public:
    explicit JobRow(QWidget* parent = nullptr);

    void setLabel(const QString& label);
    void setProgress(std::optional<double> share);
    void setFigures(const QString& figures);
    void setCancelled(); ///< greys the button: the wish is known, the job is ending

Q_SIGNALS:
    void cancelRequested();

private:
    ElidedLabel* m_label;
    QProgressBar* m_progress;
    QLabel* m_figures;
    QToolButton* m_cancel;
};

} // namespace ql
