// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PolicyDiffDialog: the present policy beside another one, tensor by tensor. Single changes are taken over by wishes that
// it emits; it stays open and follows the policy. GUI thread.
#pragma once

#include "core/policy/policydiff.h"

#include <QDialog>

#include <memory>

class QLabel;
class QPushButton;
class QTableView;
class QToolButton;

namespace ql {

class PolicyDiffModel;

class PolicyDiffDialog : public QDialog
{
    Q_OBJECT
public:
    explicit PolicyDiffDialog(QWidget* parent = nullptr);

    /// `diff`: from the present policy to the one called `name`.
    void setDiff(const QString& name, std::shared_ptr<const Model> model, PolicyDiff diff);

Q_SIGNALS:
    void changesWanted(const QList<int>& changes); ///< indices into PolicyDiff::changes, to be taken over
    void wholeWanted();                            ///< the other policy altogether
    void tensorPicked(int tensor);

private:
    void showTitles();
    QList<int> selected() const;

    PolicyDiffModel* m_model;
    QString m_name;
    QLabel* m_title;
    QLabel* m_summary;
    QTableView* m_table;
    QToolButton* m_swap;
    QPushButton* m_take;
    QPushButton* m_whole;
};

} // namespace ql
