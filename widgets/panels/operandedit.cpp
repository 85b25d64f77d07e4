// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/operandedit.h"

#include "core/policy/presets.h"
#include "core/quant/scheme.h"
#include "widgets/models/coretext.h"
#include "widgets/theme.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QToolButton>

namespace ql {
namespace {

using Kind = CompareOperand::Kind;

} // namespace

QString CompareOperand::label() const
{
    switch (kind) {
    case Kind::CurrentPolicy: return OperandEdit::tr("Current policy");
    case Kind::Original: return OperandEdit::tr("Original");
    case Kind::Scheme: return text;
    case Kind::Preset:
        for (const Preset& preset : presets()) {
            if (fromStd(preset.id) == text)
                return fromStd(preset.label);
        }
        return text;
    case Kind::Snapshot: return text;
    case Kind::PolicyFile:
    case Kind::ModelFile: return QFileInfo(text).fileName();
    }
    return text;
}

OperandEdit::OperandEdit(const QString& name, const QColor& colour, QWidget* parent)
    : QWidget(parent), m_name(new QLabel(name, this)), m_button(new QToolButton(this)), m_scheme(new QLineEdit(this)),
      m_menu(new QMenu(this))
{
    m_button->setPopupMode(QToolButton::InstantPopup);
    m_button->setMenu(m_menu);
    m_button->setFocusPolicy(Qt::StrongFocus);
    m_button->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
    m_button->setMinimumWidth(90);
    m_button->setAccessibleName(tr("What %1 is").arg(name));
    m_scheme->setAccessibleName(tr("Scheme of %1").arg(name));
    m_scheme->setPlaceholderText(QStringLiteral("int4,group=128"));
    m_scheme->setMinimumWidth(90);
    m_name->setBuddy(m_button);
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(theme::kSpacing / 2);
    layout->addWidget(m_name);
    layout->addWidget(m_button, 1);
    layout->addWidget(m_scheme, 1);
    connect(m_menu, &QMenu::aboutToShow, this, &OperandEdit::fillMenu);
    connect(m_scheme, &QLineEdit::editingFinished, this, &OperandEdit::takeScheme);
    connect(m_scheme, &QLineEdit::textEdited, this, [this] { m_scheme->setStyleSheet({}); });
    setColour(colour);
    show();
}

void OperandEdit::setColour(const QColor& colour)
{
    m_name->setStyleSheet(QStringLiteral("QLabel { color: %1; font-weight: bold; }").arg(colour.name()));
}

void OperandEdit::setOperand(const CompareOperand& operand)
{
    m_operand = operand;
    show();
}

void OperandEdit::setSnapshots(const QStringList& names)
{
    m_snapshots = names;
}

void OperandEdit::show()
{
    const bool scheme = m_operand.kind == Kind::Scheme;
    m_scheme->setVisible(scheme);
    // Beside a scheme the button is only the way to something else.
    m_button->setSizePolicy(scheme ? QSizePolicy::Fixed : QSizePolicy::Ignored, QSizePolicy::Fixed);
    m_button->setMinimumWidth(scheme ? 0 : 90);
    m_button->setText((scheme ? tr("Scheme") : m_operand.label()) + QStringLiteral(" ▾"));
    m_button->setToolTip(m_operand.kind == Kind::PolicyFile || m_operand.kind == Kind::ModelFile ? m_operand.text
                                                                                                  : m_operand.label());
    if (scheme && m_scheme->text() != m_operand.text)
        m_scheme->setText(m_operand.text);
    m_scheme->setStyleSheet({});
    m_scheme->setToolTip(tr("One scheme for every weight matrix, as in policies: FORMAT[,option...]"));
}

void OperandEdit::fillMenu()
{
    m_menu->clear();
    m_menu->addAction(tr("Current policy"), this, [this] { choose(Kind::CurrentPolicy, {}); });
    m_menu->addAction(tr("Original"), this, [this] { choose(Kind::Original, {}); });
    m_menu->addAction(tr("Scheme…"), this, [this] {
        choose(Kind::Scheme, m_scheme->text().isEmpty() ? QStringLiteral("int4") : m_scheme->text());
        m_scheme->setFocus();
        m_scheme->selectAll();
    });
    QMenu* preset = m_menu->addMenu(tr("Preset"));
    preset->setToolTipsVisible(true);
    for (const Preset& row : presets()) {
        QAction* action = preset->addAction(fromStd(row.label), this, [this, id = fromStd(row.id)] { choose(Kind::Preset, id); });
        action->setToolTip(fromStd(row.summary));
    }
    QMenu* snapshot = m_menu->addMenu(tr("Snapshot"));
    snapshot->setEnabled(!m_snapshots.isEmpty());
    for (const QString& name : m_snapshots)
        snapshot->addAction(name, this, [this, name] { choose(Kind::Snapshot, name); });
    m_menu->addSeparator();
    m_menu->addAction(tr("Policy file…"), this, [this] { Q_EMIT fileWanted(Kind::PolicyFile); });
    m_menu->addAction(tr("Another model file…"), this, [this] { Q_EMIT fileWanted(Kind::ModelFile); });
}

void OperandEdit::choose(Kind kind, const QString& text)
{
    setOperand({kind, text});
    Q_EMIT chosen(m_operand);
}

/// A text that is no scheme is marked, and the former one holds.
void OperandEdit::takeScheme()
{
    const QString text = m_scheme->text().trimmed();
    if (m_operand.kind != Kind::Scheme || text == m_operand.text)
        return;
    const auto scheme = Scheme::parse(text.toStdString());
    if (!scheme.ok()) {
        m_scheme->setStyleSheet(QStringLiteral("QLineEdit { color: %1; }").arg(theme::color(Ink::Bad).name()));
        m_scheme->setToolTip(QString::fromStdString(scheme.error().message));
        return;
    }
    choose(Kind::Scheme, text);
}

} // namespace ql
