// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/copyline.h"

#include "widgets/theme.h"

#include <QClipboard>
#include <QFontDatabase>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QLineEdit>
#include <QToolButton>

namespace ql {

CopyLine::CopyLine(const QString& name, QWidget* parent)
    : QWidget(parent)
    , m_line(new QLineEdit(this))
    , m_copy(new QToolButton(this))
{
    QFont font = QFontDatabase::systemFont(QFontDatabase::FixedFont);
    font.setPointSizeF(theme::smallFont().pointSizeF());
    m_line->setFont(font);
    m_line->setReadOnly(true);
    m_line->setFrame(false);
    m_line->setAccessibleName(name);
    m_copy->setIcon(theme::icon(QStringLiteral("copy")));
    m_copy->setToolTip(tr("Copy the %1").arg(name));
    m_copy->setAccessibleName(m_copy->toolTip());
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(theme::kSpacing / 2);
    row->addWidget(m_line, 1);
    row->addWidget(m_copy);
    hide();
    connect(m_copy, &QToolButton::clicked, this, [this] { QGuiApplication::clipboard()->setText(m_line->text()); });
}

void CopyLine::setText(const QString& text)
{
    if (text == m_line->text())
        return;
    m_line->setText(text);
    m_line->setCursorPosition(0);
    m_line->setToolTip(text);
    setVisible(!text.isEmpty());
}

QString CopyLine::text() const
{
    return m_line->text();
}

} // namespace ql
