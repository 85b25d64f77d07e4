// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SegmentedChoice: two or three named options side by side, one of them chosen, or none while "mixed".
#pragma once

#include <QWidget>

class QButtonGroup;

namespace ql {

class SegmentedChoice : public QWidget
{
    Q_OBJECT
public:
    explicit SegmentedChoice(const QStringList& options, QWidget* parent = nullptr);

    int current() const;           ///< -1 while mixed
    void setCurrent(int option);   ///< emits nothing
    void setRoomy();               ///< padded as toolbars are, instead of as narrow as docks need
    void setOptionToolTip(int option, const QString& text);
    /// A disabled option says why in its tooltip; enabling gives it back the one that was set.
    void setOptionEnabled(int option, bool enabled, const QString& why = {});

Q_SIGNALS:
    void chosen(int option); ///< by the user

protected:
    bool event(QEvent* event) override;

private:
    QButtonGroup* m_buttons;
    QStringList m_tips;
};

} // namespace ql
