// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/helpwindow.h"

#include "widgets/theme.h"

#include <QFile>
#include <QHBoxLayout>
#include <QListWidget>
#include <QTextBrowser>

namespace ql {
namespace {

QString textOf(const QString& id)
{
    QFile file(QStringLiteral(":/help/%1.md").arg(id));
    return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString();
}

/// The first line of a topic is its heading.
QString titleOf(const QString& id)
{
    return textOf(id).section(QLatin1Char('\n'), 0, 0).remove(QLatin1Char('#')).trimmed();
}

} // namespace

HelpWindow::HelpWindow(QWidget* parent) : QDialog(parent), m_topics(new QListWidget(this)), m_text(new QTextBrowser(this))
{
    resize(960, 640);
    m_topics->setMaximumWidth(200);
    m_topics->setStyleSheet(QStringLiteral("QListView::item { padding: 4px 6px; }"));
    m_text->document()->setDocumentMargin(2 * theme::kSpacing);
    m_topics->setAccessibleName(tr("Help topics"));
    m_text->setOpenExternalLinks(true);
    for (const QString& id : topics()) {
        auto* item = new QListWidgetItem(titleOf(id), m_topics);
        item->setData(Qt::UserRole, id);
    }
    auto* layout = new QHBoxLayout(this);
    layout->setSpacing(theme::kSpacing);
    layout->addWidget(m_topics);
    layout->addWidget(m_text, 1);
    connect(m_topics, &QListWidget::currentItemChanged, this, [this](const QListWidgetItem* item) {
        if (item)
            m_text->setMarkdown(textOf(item->data(Qt::UserRole).toString()));
    });
}

QStringList HelpWindow::topics()
{
    return {QStringLiteral("start"), QStringLiteral("layers"), QStringLiteral("weights"), QStringLiteral("formats"),
            QStringLiteral("activations"), QStringLiteral("cache"), QStringLiteral("map"), QStringLiteral("compare"), QStringLiteral("model"),
            QStringLiteral("scheme"), QStringLiteral("metrics"),
            QStringLiteral("policy"), QStringLiteral("budget"), QStringLiteral("calibrate"), QStringLiteral("evaluate"), QStringLiteral("keyboard")};
}

QStringList HelpWindow::titles()
{
    QStringList list;
    for (const QString& id : topics())
        list << titleOf(id);
    return list;
}

void HelpWindow::showTopic(const QString& id)
{
    m_topics->show();
    setWindowTitle(tr("Quantloupe help"));
    const int row = int(topics().indexOf(id));
    m_topics->setCurrentRow(-1);
    m_topics->setCurrentRow(std::max(0, row));
    show();
    raise();
}

void HelpWindow::showText(const QString& title, const QString& html)
{
    m_topics->hide();
    setWindowTitle(title);
    m_text->setHtml(QStringLiteral("<h3>%1</h3>%2").arg(title.toHtmlEscaped(), html));
    show();
    raise();
}

} // namespace ql
