// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CopyLine: one line of monospace text that can be selected, with a button that copies all of it.
#pragma once

#include <QWidget>

class QLineEdit;
class QToolButton;

namespace ql {

class CopyLine : public QWidget
{
    Q_OBJECT
public:
    /// `name` says what is copied: "scheme text".
    explicit CopyLine(const QString& name, QWidget* parent = nullptr);

    void setText(const QString& text); ///< hides itself while there is none
    QString text() const;

private:
    QLineEdit* m_line;
    QToolButton* m_copy;
};

} // namespace ql
