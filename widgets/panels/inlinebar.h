// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// InlineBar: one line saying what, where and what next, with "copy details" and close; hidden when there is nothing to
// say.
#pragma once

#include <QFrame>

#include <memory>

namespace ql {

class InlineBar : public QFrame
{
    Q_OBJECT
public:
    enum class Level { Info, Warning, Error };
    explicit InlineBar(QWidget* parent = nullptr);
    ~InlineBar() override;
    /// Replaces what is shown. Without `details` the text itself is what "copy details" copies.
    void showMessage(Level level, const QString& text, const QString& details = {}, const QString& actionText = {});
    void hidePast(); ///< an error that has been put right, a note of before; a warning stays
    QString text() const; ///< empty while hidden

Q_SIGNALS:
    void actionTriggered();

protected:
    void changeEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
