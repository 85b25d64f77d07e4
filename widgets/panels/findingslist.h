// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FindingsList: what is wrong or surprising in a policy; a click goes to the rule or tensor. Hidden while empty.
#pragma once

#include "core/policy/validation.h"

#include <QWidget>

class QLabel;
class QListWidget;

namespace ql {

class FindingsList : public QWidget
{
    Q_OBJECT
public:
    explicit FindingsList(QWidget* parent = nullptr);

    void setFindings(const std::vector<Finding>& findings);

Q_SIGNALS:
    void rulePicked(int rule);
    void tensorPicked(const QString& name);

private:
    void pick(int row);

    std::vector<Finding> m_findings;
    QLabel* m_caption;
    QListWidget* m_list;
};

} // namespace ql
