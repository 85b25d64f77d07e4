// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MatchList: a line that counts and the tensors that a rule is about. Any number of names; GUI thread.
#pragma once

#include "core/model/model.h"

#include <QWidget>

#include <memory>
#include <vector>

class QLabel;
class QListView;

namespace ql {

class MatchNames;

class MatchList : public QWidget
{
    Q_OBJECT
public:
    explicit MatchList(QWidget* parent = nullptr);

    void setModel(std::shared_ptr<const Model> model); ///< forgets what is shown
    const std::shared_ptr<const Model>& model() const { return m_model; }
    /// `notes`: none, or one per tensor; tensors with a note ("rule 1") belong to someone else and are muted.
    void setMatches(const QString& caption, std::vector<int> tensors, QStringList notes = {});
    const std::vector<int>& matches() const { return m_tensors; }

Q_SIGNALS:
    void tensorPicked(int tensor);

private:
    std::shared_ptr<const Model> m_model;
    std::vector<int> m_tensors;
    QLabel* m_caption;
    MatchNames* m_names;
    QListView* m_view;
};

} // namespace ql
