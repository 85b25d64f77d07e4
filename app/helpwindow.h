// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// HelpWindow: the program's help topics (resources/help, Markdown), and other texts too long for a line.
#pragma once

#include <QDialog>
#include <QStringList>

class QListWidget;
class QTextBrowser;

namespace ql {

class HelpWindow : public QDialog
{
    Q_OBJECT
public:
    explicit HelpWindow(QWidget* parent);
    static QStringList topics(); ///< ids: "start", "layers", "weights" ...
    static QStringList titles(); ///< of topics(), in its order
    void showTopic(const QString& id);
    void showText(const QString& title, const QString& html);

private:
    QListWidget* m_topics;
    QTextBrowser* m_text;
};

} // namespace ql
