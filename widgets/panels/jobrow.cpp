// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/jobrow.h"

#include "widgets/panels/elidedlabel.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QToolButton>

#include <algorithm>
#include <cmath>

namespace ql {

JobRow::JobRow(QWidget* parent)
    : QWidget(parent)
    , m_label(new ElidedLabel(Qt::ElideMiddle, this))
    , m_progress(new QProgressBar(this))
    , m_figures(new QLabel(this))
    , m_cancel(new QToolButton(this))
{
    m_progress->setTextVisible(false);
    m_progress->setRange(0, 1000);
    m_progress->setFixedSize(96, 8);
    m_figures->setFont(theme::numberFont());
    m_cancel->setIcon(theme::icon(QStringLiteral("close")));
    m_cancel->setFocusPolicy(Qt::StrongFocus);
    m_cancel->setAutoRaise(true);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(theme::kSpacing);
    row->addWidget(m_label, 1);
    row->addWidget(m_progress);
    row->addWidget(m_figures);
    row->addWidget(m_cancel);
    connect(m_cancel, &QToolButton::clicked, this, &JobRow::cancelRequested);
}

void JobRow::setLabel(const QString& label)
{
    m_label->setText(label);
    m_progress->setAccessibleName(label);
    m_cancel->setToolTip(tr("Cancel: %1").arg(label));
    m_cancel->setAccessibleName(m_cancel->toolTip());
}

void JobRow::setProgress(std::optional<double> share)
{
    m_progress->setRange(0, share ? 1000 : 0); // a bar without range shows that the total is not known
    if (share)
        m_progress->setValue(int(std::lround(*share * 1000)));
}

void JobRow::setFigures(const QString& figures)
{
    m_figures->setText(figures);
    m_figures->setMinimumWidth(std::max(m_figures->minimumWidth(), m_figures->sizeHint().width())); // so nothing jumps
}

void JobRow::setCancelled()
{
    m_cancel->setEnabled(false);
    m_cancel->setToolTip(tr("Ending …"));
}

} // namespace ql
