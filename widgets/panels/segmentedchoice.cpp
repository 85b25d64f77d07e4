// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/segmentedchoice.h"

#include <QButtonGroup>
#include <QEvent>
#include <QHBoxLayout>
#include <QToolButton>

namespace ql {

SegmentedChoice::SegmentedChoice(const QStringList& options, QWidget* parent)
    : QWidget(parent)
    , m_buttons(new QButtonGroup(this))
{
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(2);
    for (const QString& option : options) {
        auto* button = new QToolButton(this);
        button->setText(option);
        button->setCheckable(true);
        button->setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
        button->setStyleSheet(QStringLiteral("QToolButton { padding: 3px 1px; }"));
        button->setFocusPolicy(Qt::StrongFocus);
        m_buttons->addButton(button, m_buttons->buttons().size());
        row->addWidget(button);
    }
    if (!m_buttons->buttons().isEmpty())
        setFocusProxy(m_buttons->buttons().first());
    connect(m_buttons, &QButtonGroup::idClicked, this, &SegmentedChoice::chosen);
}

/// Narrower than the style's own padding would allow, so that three options fit a narrow dock; measured again when the
/// font changes, because a theme is applied after widgets exist.
bool SegmentedChoice::event(QEvent* event)
{
    if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange || event->type() == QEvent::Polish) {
        const auto buttons = m_buttons->buttons();
        for (QAbstractButton* button : buttons)
            button->setMinimumWidth(QFontMetrics(font()).horizontalAdvance(button->text()) + 10);
    }
    return QWidget::event(event);
}

int SegmentedChoice::current() const
{
    return m_buttons->checkedId();
}

void SegmentedChoice::setCurrent(int option)
{
    if (option == current())
        return;
    if (QAbstractButton* button = m_buttons->button(option)) {
        button->setChecked(true);
    } else if (QAbstractButton* checked = m_buttons->checkedButton()) {
        m_buttons->setExclusive(false); // an exclusive group refuses to have none checked
        checked->setChecked(false);
        m_buttons->setExclusive(true);
    }
}

void SegmentedChoice::setRoomy()
{
    for (QAbstractButton* button : m_buttons->buttons()) {
        button->setSizePolicy(QSizePolicy::Minimum, QSizePolicy::Fixed);
        button->setMinimumWidth(0);
        button->setStyleSheet({});
    }
}

void SegmentedChoice::setOptionToolTip(int option, const QString& text)
{
    if (QAbstractButton* button = m_buttons->button(option)) {
        button->setToolTip(text);
        while (m_tips.size() <= option)
            m_tips << QString();
        m_tips[option] = text;
    }
}

void SegmentedChoice::setOptionEnabled(int option, bool enabled, const QString& why)
{
    if (QAbstractButton* button = m_buttons->button(option)) {
        button->setEnabled(enabled);
        button->setToolTip(enabled ? m_tips.value(option) : why);
    }
}

} // namespace ql
