// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// OperandEdit: chooses one side of a comparison - the current policy, the original weights, one scheme for every weight,
// a preset, a snapshot, a policy file or another model file.
#pragma once

#include <QWidget>

class QLabel;
class QLineEdit;
class QMenu;
class QToolButton;

namespace ql {

struct CompareOperand {
    enum class Kind { CurrentPolicy, Original, Scheme, Preset, Snapshot, PolicyFile, ModelFile };
    Kind kind = Kind::CurrentPolicy;
    QString text; ///< scheme text, id of the preset, name of the snapshot, or path

    QString label() const; ///< for people, short
    friend bool operator==(const CompareOperand&, const CompareOperand&) = default;
};

class OperandEdit : public QWidget
{
    Q_OBJECT
public:
    OperandEdit(const QString& name, const QColor& colour, QWidget* parent = nullptr);

    const CompareOperand& operand() const { return m_operand; }
    void setOperand(const CompareOperand& operand); ///< emits nothing
    void setSnapshots(const QStringList& names);
    void setColour(const QColor& colour);

Q_SIGNALS:
    void chosen(const ql::CompareOperand& operand); ///< by the user
    void fileWanted(ql::CompareOperand::Kind kind); ///< PolicyFile or ModelFile: somebody is to ask for a path

private:
    void choose(CompareOperand::Kind kind, const QString& text);
    void takeScheme();
    void fillMenu();
    void show();

    CompareOperand m_operand;
    QStringList m_snapshots;
    QLabel* m_name;
    QToolButton* m_button;
    QLineEdit* m_scheme;
    QMenu* m_menu;
};

} // namespace ql
