// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/findingslist.h"

#include "widgets/theme.h"

#include <QLabel>
#include <QListWidget>
#include <QVBoxLayout>

namespace ql {
namespace {

constexpr int kMostLines = 5;

QString iconName(Finding::Severity severity)
{
    switch (severity) {
    case Finding::Error: return QStringLiteral("error");
    case Finding::Warning: return QStringLiteral("warning");
    case Finding::Note: break;
    }
    return QStringLiteral("info");
}

} // namespace

FindingsList::FindingsList(QWidget* parent) : QWidget(parent), m_caption(new QLabel(this)), m_list(new QListWidget(this))
{
    m_caption->setFont(theme::smallFont());
    m_list->setFont(theme::smallFont());
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setWordWrap(true);
    m_list->setTextElideMode(Qt::ElideNone);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->setResizeMode(QListView::Adjust);
    m_list->setIconSize({16, 16});
    m_list->setAccessibleName(tr("Findings"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(theme::kSpacing / 2);
    column->addWidget(m_caption);
    column->addWidget(m_list);
    connect(m_list, &QListWidget::itemClicked, this, [this] { pick(m_list->currentRow()); });
    connect(m_list, &QListWidget::itemActivated, this, [this] { pick(m_list->currentRow()); });
    setFindings({});
}

void FindingsList::setFindings(const std::vector<Finding>& findings)
{
    m_findings = findings;
    m_list->clear();
    int counts[3] = {};
    for (const Finding& finding : findings) {
        ++counts[finding.severity];
        const QString text = QString::fromStdString(finding.text);
        auto* item = new QListWidgetItem(theme::icon(iconName(finding.severity)), text, m_list);
        item->setToolTip(text);
    }
    QStringList parts;
    if (const int n = counts[Finding::Error]; n > 0)
        parts << (n == 1 ? tr("1 error") : tr("%1 errors").arg(n));
    if (const int n = counts[Finding::Warning]; n > 0)
        parts << (n == 1 ? tr("1 warning") : tr("%1 warnings").arg(n));
    if (const int n = counts[Finding::Note]; n > 0)
        parts << (n == 1 ? tr("1 note") : tr("%1 notes").arg(n));
    m_caption->setText(parts.join(QStringLiteral(", ")));
    m_list->setFixedHeight(m_list->fontMetrics().lineSpacing() * 2 * std::min(kMostLines, std::max(1, int(findings.size()))) +
                             2 * theme::kSpacing);
    setVisible(!findings.empty());
}

void FindingsList::pick(int row)
{
    if (row < 0 || row >= int(m_findings.size()))
        return;
    const Finding& finding = m_findings[size_t(row)];
    if (finding.rule >= 0)
        Q_EMIT rulePicked(finding.rule);
    if (!finding.tensor.empty())
        Q_EMIT tensorPicked(QString::fromStdString(finding.tensor));
}

} // namespace ql
